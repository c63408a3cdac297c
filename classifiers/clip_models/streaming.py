"""The base class of clip classifiers that also watch a video frame by frame.

    frames, state ─ stream ─► logits of each frame, next state

In: frames, uint8 (N, T, H, W, C) for any T, and a state (`classifiers.layers.stream`), at the start `initial_state` or
nothing. Out: logits (N, T, K) and the state after these frames. The logits of a frame depend on it and on all frames
before it, however the video is cut: those of the last frame of a clip are what `forward` makes of the whole clip. The
size of a state does not depend on how many frames it has seen. N videos, T frames, K classes, F features.

`stream` stands beside `forward`, whose result has one row for each clip: training, scoring and ensembles take a stream
network as the clip classifier that it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.config import ClipConfig
from classifiers.layers.stream import State, Stream, StreamLayer, name_layers


class StreamModel(ClipModel):
    """A clip classifier whose stages are layers of a stream (`StreamLayer`) or see each frame alone."""

    def __init__(
        self, *, config: ClipConfig, stages: Mapping[str, nn.Module], feature_dim: int, num_classes: int
    ) -> None:
        super().__init__(config=config, stages=stages, feature_dim=feature_dim, num_classes=num_classes)
        name_layers(self.trunk)
        self._traced: dict[tuple[int, int], State] = {}  # by size, the state of one video on the meta device

    @override
    def prepare(self, clips: Tensor) -> Tensor:
        # In memory the frames stay as they come, N, T, H, W, C, which is what the layers want.
        return self._normalised(clips).permute(0, 4, 1, 2, 3)

    def initial_state(self, videos: int, size: tuple[int, int] | None = None) -> State:
        """The state before the first frames of N `videos` of `size`, height and width (None: the clip format's)."""
        size = size or (self.clip_format.height, self.clip_format.width)
        if size not in self._traced:
            self._traced[size] = self._trace(size)
        device = self.head.weight.device
        return {
            key: torch.zeros(videos, *one.shape[1:], dtype=one.dtype, device=device)
            for key, one in self._traced[size].items()
        }

    def stream(
        self, frames: Tensor, state: Mapping[str, Tensor], *, memory_frames: int | None = None
    ) -> tuple[Tensor, State]:
        """The logits (N, T, K) of frames, uint8 (N, T, H, W, C), and the state after them.

        With `memory_frames`, means over all frames so far begin to forget after so many (`CumulativeMean`).

        Raises:
            ValueError: if the frames are of another type, shape or number of channels, or the state is not of as many
                videos and this size.
        """
        features, state = self.stream_features(self.prepare(frames), state, memory_frames=memory_frames)
        return self.forward_head(features), state

    def stream_features(
        self, values: Tensor, state: Mapping[str, Tensor], *, memory_frames: int | None = None
    ) -> tuple[Tensor, State]:
        """The features (N, T, F) of prepared frames (N, C, T, H, W), and the state after them."""
        return self._through(values, state, 0, memory_frames)

    def frame_logits(self, clips: Tensor, first_stage: int | None = None) -> Tensor:
        """The logits (N, T, K) of every frame of clips, given as to `forward`."""
        values = self.prepare(clips) if first_stage is None else clips
        features, _ = self._through(values, {}, first_stage or 0)
        return self.forward_head(features)

    def _trace(self, size: tuple[int, int]) -> State:
        """The state of one video after a frame of `size`, as shapes without values: the layers know what they keep."""
        with torch.device("meta"), torch.no_grad():
            twin = type(self)(config=self.config, num_classes=1)  # type: ignore[call-arg]  # as the registry builds it
            frame = torch.empty(1, 1, *size, self.clip_format.channels, dtype=torch.uint8)
            return twin.eval().stream(frame, {})[1]

    def _through(
        self, values: Tensor, state: Mapping[str, Tensor], first_stage: int, memory_frames: int | None = None
    ) -> tuple[Tensor, State]:
        """The output of the stages from `first_stage` on, and the state after it."""
        videos, frames = values.shape[0], values.shape[2]
        stream = Stream(state, videos=videos, frames=frames, device=values.device, memory_frames=memory_frames)
        for stage in list(self.trunk.values())[first_stage:]:
            values = stage(values, stream) if isinstance(stage, StreamLayer) else stage(values)
        return values, stream.state
