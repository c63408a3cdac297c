"""Previews of lip reading for reports, made in children of a pool (`python -m cluster.clips.preview_decoder`).

In: a `PreviewTask`. Out: the bytes of an animation (`extractors.faces.preview`), or a `VideoError` as of
`cluster.clips.mouth_decoder`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from cluster.clips.guarded_decode import Outcome, guarded_decode, outcome_of, response_of
from cluster.clips.mouth_decoder import MouthTask, finder, mouth_of
from cluster.engines.guarded_processes import Response, serve
from extractors.faces.preview import MAX_BYTES, lip_preview
from extractors.video.media import Source
from schemas import strict_json


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewTask(MouthTask):
    """The mouth to show."""

    @property
    @override
    def size_bytes(self) -> int:
        return MAX_BYTES

    @override
    def outcome_of(self, response: Response) -> Outcome:
        return outcome_of(response, (-1,))


def encode(task: PreviewTask) -> NDArray[np.uint8]:
    """The bytes of the preview. Raises `VideoError` for any problem with the video."""

    def preview_of(source: Source) -> NDArray[np.uint8]:
        mouth = mouth_of(source, task)
        return np.frombuffer(lip_preview(mouth.frames, mouth.boxes, mouth.crops, task.look), np.uint8)

    return guarded_decode(preview_of, task)


def answer(request: bytes) -> Response:
    """Make the preview that a pool has asked for, and encode its outcome for `PreviewTask.outcome_of`."""
    task = strict_json.load(PreviewTask, request.decode(), "preview task", schema_version=1)
    return response_of(lambda: encode(task))


if __name__ == "__main__":
    finder()  # its networks are no task's memory
    serve(answer)
