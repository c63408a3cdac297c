"""Runs an exported clip classifier in LiteRT, on one thread of a CPU, to check it.

In: the bytes of a file that `classifiers.export.litert_file` has finished, then pictures, uint8 (N, T, H, W, C). Out:
logits and features, float32. The file takes one clip, or one frame with a state, so that there is a call for each.

The runtime trusts files: those of others are not for this session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.export.feed import State, feed_of
from classifiers.export.litert_file import exported_in, litert_library
from schemas.exports import FEATURES, LOGITS


class LiteRtSession:
    """An exported classifier, loaded."""

    def __init__(self, content: bytes) -> None:
        self.exported = exported_in(content)
        interpreter = litert_library("interpreter").Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        self._call = interpreter.get_signature_runner()

    def run(
        self, pictures: NDArray[np.uint8], state: State | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Logits and features of clips (N, …), or of frames (N, T, …) with the state after them.

        Raises:
            ValueError: for pictures of another size than the network's, or a state that does not fit.
        """
        feed = feed_of(self.exported, pictures, state)
        each = self._of_stream if self.exported.state else self._of_clip
        videos = ({name: value[[place]] for name, value in feed.items()} for place in range(len(pictures)))
        outputs = [each(video) for video in videos]
        joined = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0]}
        return joined[LOGITS], joined[FEATURES], {one.input: joined[one.output] for one in self.exported.state}

    def _of_clip(self, feed: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        outputs: dict[str, NDArray[Any]] = self._call(**feed)
        return outputs

    def _of_stream(self, feed: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs of the frames of one video, and the state after the last."""
        steps = list(self._frames(feed))
        each = {name: np.concatenate([step[name] for step in steps], axis=1) for name in (LOGITS, FEATURES)}
        return {**steps[-1], **each}

    def _frames(self, feed: dict[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
        frames = feed[self.exported.input]
        for time in range(frames.shape[1]):
            outputs = self._of_clip({**feed, self.exported.input: frames[:, time : time + 1]})
            yield outputs
            feed = {**feed, **{one.input: outputs[one.output] for one in self.exported.state}}
