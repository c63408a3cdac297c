"""What is exported of a clip classifier: its network as a function of tensors alone, and their names.

    clips uint8 (N, T, H, W, C)                ─► logits (N, K), features (N, F)
    frames uint8 (N, T, H, W, C), state …      ─► logits (N, T, K), features (N, T, F), next state …

The second form is that of stream networks (`classifiers.clip_models.streaming`); a memory is built into it, while its
state stays the same. Pixels are normalised inside. N videos or clips, T frames, K classes, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.streaming import StreamModel
from classifiers.layers.stream import FRAMES as SEEN
from classifiers.weights.checkpoint import CheckpointConfig
from schemas.exports import (
    CLIP,
    CLIPS,
    FEATURES,
    FRAMES,
    LOGITS,
    NEXT_PREFIX,
    STATE_PREFIX,
    STREAM,
    ExportedModel,
    StateTensor,
)


class ClipForm(nn.Module):
    """A network over clips."""

    def __init__(self, model: ClipModel) -> None:
        super().__init__()
        self.model = model
        self.memory_frames: int | None = None
        self.state: tuple[StateTensor, ...] = ()
        self.inputs, self.outputs = [CLIPS], [LOGITS, FEATURES]

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """Clips to logits and features."""
        features = self.model.forward_features(self.model.prepare(clips))
        return self.model.forward_head(features), features

    def past(self, videos: int, seen_frames: int = 0) -> tuple[Tensor, ...]:
        """Of clips, which have none, nothing."""
        return ()

    def examples(self, videos: int = 1, frames: int = 0) -> tuple[Tensor, ...]:
        """Inputs of so many videos; clips have the number of frames of their format."""
        return (_noise(self.model, videos, self.model.clip_format.frames),)


class StreamForm(nn.Module):
    """A stream network; the parts of its state are inputs and outputs. `memory_frames` as in `StreamModel`."""

    def __init__(self, model: StreamModel, memory_frames: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.memory_frames = memory_frames
        self.keys = list(model.initial_state(1))
        self.state = tuple(
            StateTensor(
                input=STATE_PREFIX + key,
                output=NEXT_PREFIX + key,
                shape=tuple(value.shape[1:]),
                dtype=str(value.dtype).removeprefix("torch."),
            )
            for key, value in model.initial_state(1).items()
        )
        self.inputs = [FRAMES, *(one.input for one in self.state)]
        self.outputs = [LOGITS, FEATURES, *(one.output for one in self.state)]

    def forward(self, frames: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Frames and the parts of a state, to logits, features and the parts of the next."""
        past = dict(zip(self.keys, state, strict=True))
        values = self.model.prepare(frames)
        features, following = self.model.stream_features(values, past, memory_frames=self.memory_frames)
        return self.model.forward_head(features), features, *(following[key] for key in self.keys)

    def past(self, videos: int, seen_frames: int = 0) -> tuple[Tensor, ...]:
        """The parts of the state of so many videos, after so many frames of which every layer kept zeros."""
        state = self.model.initial_state(videos)
        state[SEEN] = state[SEEN] + seen_frames
        return tuple(state.values())

    def examples(self, videos: int = 1, frames: int = 1) -> tuple[Tensor, ...]:
        """Inputs of so many videos, at their start."""
        return _noise(self.model, videos, frames), *self.past(videos)


Form = ClipForm | StreamForm


def form_of(model: ClipModel, memory_frames: int | None = None) -> Form:
    """The exported form of a model with its weights; a memory goes with stream networks."""
    form: Form = StreamForm(model, memory_frames) if isinstance(model, StreamModel) else ClipForm(model)
    return form.requires_grad_(False).eval()


def described(
    form: Form,
    config: CheckpointConfig,
    *,
    precision: str,
    quantization: Mapping[str, Any],
    versions: Mapping[str, str],
) -> ExportedModel:
    """What the file of a checkpoint says of itself."""
    assert config.clips is not None  # of a clip classifier
    return ExportedModel(
        kind=STREAM if isinstance(form, StreamForm) else CLIP,
        precision=precision,
        quantization=quantization,
        model=config.model,
        options=config.options,
        class_names=config.class_names,
        class_indices=config.class_indices,
        task=config.task,
        temperature=config.temperature,
        feature_dim=form.model.feature_dim,
        clips=config.clips,
        state=form.state,
        memory_frames=form.memory_frames,
        weights_sha256=config.weights_sha256,
        versions=versions,
    )


def _noise(model: ClipModel, videos: int, frames: int) -> Tensor:
    """Clips of noise, the same every time."""
    form = model.clip_format
    draw = torch.Generator().manual_seed(videos + frames)
    size = (videos, frames, form.height, form.width, form.channels)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=draw)
