"""Trained clip classifiers: one checkpoint, or several whose probabilities are averaged.

In: clips, uint8 (N, T, H, W, C). Out: float32 (N, F + K), for each clip the features of the first model, then logits
whose softmax (or sigmoid) is the mean of the models' probabilities, each at its own temperature. N clips of T frames
and C channels, F features, K classes.

A video is sampled in V clips (views and crops): its probabilities are the mean over its clips, its embedding is the
mean of their features.

Stream networks (`classifiers.clip_models.streaming`) also watch a video frame by frame, one or several together: their
state is the states of all, each key with the number of its network in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.clip_models.streaming import StreamModel
from classifiers.inference.base import Classifier, top_classes
from classifiers.inference.ensemble import mean_probability
from classifiers.layers.direct_conv import DirectConv3d
from classifiers.layers.fused_conv import FusibleConv
from classifiers.layers.stream import State
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, CheckpointError, fitted_model
from schemas.clips import ClipInput

VIEW_FIELDS = ("views", "crops")
REDUCED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)  # layers whose weights are held in reduced precision


class TrainedClipClassifier(Classifier):
    """A clip classifier with its weights, as arrays that pickle through shared memory without copying."""

    def __init__(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """`checkpoints` by the name that error messages use.

        Raises:
            CheckpointError: for models that cannot be built or loaded, or cannot be averaged.
        """
        super().__init__(checkpoints)
        models = [clip_model_of(checkpoint, subject) for subject, checkpoint in checkpoints.items()]
        assert self.config.clips is not None  # checked by `clip_model_of`
        self.clips: ClipInput = self.config.clips
        expected = _input_fields(self.clips)
        differences = [
            f"{subject}: {key} is {value}, not {expected.get(key)}"
            for subject, config in zip(checkpoints, self.configs, strict=True)
            if config.clips is not None
            for key, value in _input_fields(config.clips).items()
            if value != expected.get(key)
        ]
        if differences:
            raise CheckpointError("checkpoints with different clips cannot be averaged", differences)
        self.views = ViewMean(models[0].feature_dim, self.is_single_label)
        self.stream_members = sum(isinstance(model, StreamModel) for model in models)
        self._states = [
            {name: value.numpy() for name, value in checkpoint.state.items()} for checkpoint in checkpoints.values()
        ]

    @property
    def dim(self) -> int:
        """F + K."""
        return self.views.feature_dim + self.config.num_classes

    @property
    def is_stream(self) -> bool:
        """Whether all models can watch a video frame by frame."""
        return self.stream_members == len(self.configs)

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
        """Convert the weights of all but the heads to `dtype`, and convolutions to their fastest kernels."""
        for module in [module for model in self.models for module in model.trunk.modules()]:
            if isinstance(module, FusibleConv):
                module.fuse(dtype)
        for module in (module for model in self.models for module in model.trunk.modules()):
            if isinstance(module, REDUCED):
                module.to(dtype)
            if isinstance(module, nn.Conv3d):
                DirectConv3d.replace(module)

    def forward(self, values: Tensor) -> Tensor:
        """Prepared clips to the features of the first member and the joint logits, float32 (N, F + K).

        Features are computed in the type of `values`, logits in fp32.
        """
        with _reduced(values):
            features = [model.forward_features(values).float() for model in self.models]
        return torch.cat([features[0], self._joint_logits(features)], dim=1)

    def initial_state(self, videos: int) -> State:
        """The state before the first frames of N `videos`, of stream networks."""
        return _joint_state([model.initial_state(videos) for model in self._stream_models])

    def stream(
        self, values: Tensor, state: Mapping[str, Tensor], *, memory_frames: int | None = None
    ) -> tuple[Tensor, State]:
        """Prepared frames (N, C, T, H, W) of any T to the joint logits (N, T, K), and the state after them.

        All members are stream networks. An empty state is that at the start. `memory_frames` as in `StreamModel`.

        Raises:
            ValueError: if the state is of other networks, or not of as many videos and this size.
        """
        members = zip(self._stream_models, _own_states(state, len(self.members)), strict=True)
        with _reduced(values):
            parts = [model.stream_features(values, own, memory_frames=memory_frames) for model, own in members]
        logits = self._joint_logits([features.float() for features, _ in parts])  # (N, T, K)
        return logits, _joint_state([own for _, own in parts])

    @property
    def _stream_models(self) -> list[StreamModel]:
        return [cast(StreamModel, member) for member in self.members]

    def _joint_logits(self, features: Sequence[Tensor]) -> Tensor:
        """The features of the members (…, F) to logits (…, K), in fp32."""
        members = zip(self.models, features, self.temperatures, strict=True)
        logits = torch.stack([model.forward_head(own) / temperature for model, own, temperature in members])
        return mean_probability(logits, multi_label=self.multi_label) if len(logits) > 1 else logits[0]


@dataclass(frozen=True)
class ViewMean:
    """The mean over the clips of a video, given the outputs (V, F + K) of a `ClipEnsemble`."""

    feature_dim: int
    is_single_label: bool

    def embedding(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The embedding (F,) of the video: the mean of the features."""
        mean: NDArray[np.float32] = outputs[:, : self.feature_dim].mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def top_classes(self, outputs: NDArray[np.float32], top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The top classes, as positions in `class_names`, and their mean probabilities, (k,) each."""
        logits = torch.from_numpy(outputs[:, self.feature_dim :]).double()  # (V, K)
        if len(logits) > 1:
            logits = mean_probability(logits, multi_label=not self.is_single_label)[None]
        classes, scores = top_classes(logits, top_k, is_single_label=self.is_single_label)
        return classes[0], scores[0]


def clip_model_of(checkpoint: Checkpoint, subject: str = "checkpoint") -> ClipModel:
    """The model of a checkpoint with its weights; error messages start with `subject`.

    Raises:
        CheckpointError: if the checkpoint is not of a known clip classifier, or its weights do not fit.
    """
    config = checkpoint.config
    if config.level != CLIP or config.clips is None:
        raise CheckpointError(subject, [f"model {config.model!r} takes features, not clips"])
    build = partial(build_clip_model, config.model, num_classes=config.num_classes, options=config.options)
    model = fitted_model(build, checkpoint, subject)
    # The frame rate may be chosen for the videos; the rest of the format is the model's.
    if replace(config.clips.format, fps=None) != replace(model.clip_format, fps=None):
        raise CheckpointError(
            subject,
            [f"its clips are {config.clips.format}, but the options of {config.model!r} require {model.clip_format}"],
        )
    return model


def _reduced(values: Tensor) -> torch.autocast:
    """Computes in the type of `values`. Weights already have it; the inputs of other layers (norms, gates) are cast."""
    is_reduced = values.dtype != torch.float32
    return torch.autocast(values.device.type, values.dtype, enabled=is_reduced, cache_enabled=False)


def _joint_state(states: Sequence[Mapping[str, Tensor]]) -> State:
    return {f"{member}.{key}": value for member, state in enumerate(states) for key, value in state.items()}


def _own_states(state: Mapping[str, Tensor], members: int) -> list[State]:
    """The parts of a joint state."""
    own: list[State] = [{} for _ in range(members)]
    for joint_key, value in state.items():
        member, _, key = joint_key.partition(".")
        if not (member.isdecimal() and int(member) < members):
            raise ValueError(f"the state has {joint_key}, which belongs to none of {members} networks")
        own[int(member)][key] = value
    return own


def _input_fields(clips: ClipInput) -> dict[str, Any]:
    """The fields of the input that averaged models must share; the number of views is chosen when scoring."""
    sampling = {key: value for key, value in clips.sampling.items() if key not in VIEW_FIELDS}
    return {**asdict(clips.format), **sampling}


def _built(config: CheckpointConfig, state: Mapping[str, NDArray[np.generic]]) -> ClipModel:
    # Arrays from shared memory are read-only, so they are copied.
    return clip_model_of(Checkpoint(config, {name: torch.tensor(value) for name, value in state.items()}))
