"""Trained clip classifiers: one checkpoint, or several whose probabilities are averaged.

In: clips, uint8 (N, T, H, W, C). Out: float32 (N, F + K), for each clip the features of the first model, then logits
whose softmax (or sigmoid) is the mean of the models' probabilities, each at its own temperature. N clips of T frames
and C channels, F features, K classes.

Stream networks (`classifiers.clip_models.streaming`) also watch a video frame by frame, one or several together: their
state is the states of all, each key with the number of its network in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.clip_models.streaming import StreamModel
from classifiers.inference.clip_base import ClipClassifier
from classifiers.inference.ensemble import joint_logits
from classifiers.inference.joint_state import joint_state, own_states
from classifiers.layers.stream import State
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, CheckpointError, fitted_model


class TrainedClipClassifier(ClipClassifier):
    """A clip classifier with its weights, as arrays that pickle through shared memory without copying."""

    backend = "torch"

    def __init__(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """`checkpoints` by the name that error messages use.

        Raises:
            CheckpointError: for models that cannot be built or loaded, or cannot be averaged.
        """
        models = [clip_model_of(checkpoint, subject) for subject, checkpoint in checkpoints.items()]
        super().__init__(
            checkpoints,
            feature_dim=models[0].feature_dim,
            stream_members=sum(isinstance(model, StreamModel) for model in models),
        )
        self._states = [
            {name: value.numpy() for name, value in checkpoint.state.items()} for checkpoint in checkpoints.values()
        ]

    def build(self) -> ClipEnsemble:
        """The models with their weights, in evaluation mode."""
        members = [_built(config, state) for config, state in zip(self.configs, self._states, strict=True)]
        temperatures = [config.temperature for config in self.configs]
        return ClipEnsemble(members, temperatures, multi_label=not self.is_single_label)


class ClipEnsemble(nn.Module):
    """Clip models of one input format with loaded weights."""

    def __init__(self, members: Sequence[ClipModel], temperatures: Sequence[float], *, multi_label: bool) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.temperatures = tuple(temperatures)
        self.multi_label = multi_label
        self.requires_grad_(False).eval()

    @property
    def models(self) -> list[ClipModel]:
        """The members."""
        return [cast(ClipModel, member) for member in self.members]

    def prepare(self, clips: Tensor) -> Tensor:
        """Normalise clips, uint8 (N, T, H, W, C), to the input of all members, float32 (N, C, T, H, W)."""
        return self.models[0].prepare(clips)

    def reduce(self, dtype: torch.dtype) -> None:
        """Convert all but the heads for inference in `dtype`."""
        for model in self.models:
            model.reduce(dtype)

    def forward(self, values: Tensor) -> Tensor:
        """Prepared clips to the features of the first member and the joint logits, float32 (N, F + K).

        Features are computed in the type of `values`, logits in fp32.
        """
        with _reduced(values):
            features = [model.forward_features(values).float() for model in self.models]
        return torch.cat([features[0], self._joint_logits(features)], dim=1)

    def initial_state(self, videos: int) -> State:
        """The state before the first frames of N `videos`, of stream networks."""
        return joint_state([model.initial_state(videos) for model in self._stream_models])

    def stream(
        self, values: Tensor, state: Mapping[str, Tensor], *, memory_frames: int | None = None
    ) -> tuple[Tensor, State]:
        """Prepared frames (N, C, T, H, W) of any T to the joint logits (N, T, K), and the state after them.

        All members are stream networks. An empty state is that at the start. `memory_frames` as in `StreamModel`.

        Raises:
            ValueError: if the state is of other networks, or not of as many videos and this size.
        """
        members = zip(self._stream_models, own_states(state, len(self.members)), strict=True)
        with _reduced(values):
            parts = [model.stream_features(values, own, memory_frames=memory_frames) for model, own in members]
        logits = self._joint_logits([features.float() for features, _ in parts])  # (N, T, K)
        return logits, joint_state([own for _, own in parts])

    @property
    def _stream_models(self) -> list[StreamModel]:
        return [cast(StreamModel, member) for member in self.members]

    def _joint_logits(self, features: Sequence[Tensor]) -> Tensor:
        """The features of the members (…, F) to logits (…, K), in fp32."""
        members = zip(self.models, features, self.temperatures, strict=True)
        logits = [model.forward_head(own) / temperature for model, own, temperature in members]
        return joint_logits(logits, multi_label=self.multi_label)


def clip_model_of(checkpoint: Checkpoint, subject: str = "checkpoint") -> ClipModel:
    """The model of a checkpoint with its weights; error messages start with `subject`.

    Raises:
        CheckpointError: if the checkpoint is not of a known clip classifier, or its weights do not fit.
    """
    config = checkpoint.config
    if config.level != CLIP or config.clips is None:
        raise CheckpointError(subject, [f"model {config.model!r} takes {config.takes}, not clips"])
    build = partial(build_clip_model, config.model, num_classes=config.num_classes, options=config.options)
    model = fitted_model(build, checkpoint, subject)
    # Frame rate and method of the flow may be chosen for the videos; the rest of the format is the model's.
    chosen, native = config.clips.format, model.clip_format
    if chosen != replace(native, fps=chosen.fps, flow=native.flow and (chosen.flow or native.flow)):
        raise CheckpointError(
            subject,
            [f"its clips are {config.clips.format}, but the options of {config.model!r} require {model.clip_format}"],
        )
    return model


def _reduced(values: Tensor) -> torch.autocast:
    """Computes in the type of `values`. Weights already have it; the inputs of other layers (norms, gates) are cast."""
    is_reduced = values.dtype != torch.float32
    return torch.autocast(values.device.type, values.dtype, enabled=is_reduced, cache_enabled=False)


def _built(config: CheckpointConfig, state: Mapping[str, NDArray[np.generic]]) -> ClipModel:
    # Arrays from shared memory are read-only, so they are copied.
    return clip_model_of(Checkpoint(config, {name: torch.tensor(value) for name, value in state.items()}))
