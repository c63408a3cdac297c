"""Clip classifiers that have been trained, ready to label: one checkpoint, or several whose probabilities are averaged.

In: clips, uint8 (N, T, H, W, C). Out: float32 (N, F + K), for each clip the features before the (first) model's head,
then logits whose softmax (or sigmoid) is what the models say, each at its own temperature. N clips of T frames and
C channels, F features, K classes.

A video is looked at in V clips (views and crops). What is said of it is the mean of the probabilities over its clips,
and its embedding the mean of their features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.inference.ensemble import mean_probability
from classifiers.inference.feature_classifier import Trained, best_classes
from classifiers.layers.direct_conv import DirectConv3d
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, CheckpointError, load_weights
from schemas.clips import ClipInput

VIEWS = ("views", "crops")
REDUCED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


class TrainedClips(Trained):
    """What the checkpoints say of clips together. Cheap to pickle into shared memory: its weights are arrays."""

    def __init__(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """`checkpoints` by what an error calls them.

        Raises:
            CheckpointError: for models that cannot be built or filled, or do not belong together.
        """
        super().__init__(checkpoints)
        models = [clip_model_of(checkpoint, subject) for subject, checkpoint in checkpoints.items()]
        assert self.config.clips is not None  # or there were no model of clips
        self.clips: ClipInput = self.config.clips
        ours = _look(self.clips)
        others = [
            f"{subject}: {key} is {value}, not {ours.get(key)}"
            for subject, config in zip(checkpoints, self.configs, strict=True)
            if config.clips is not None
            for key, value in _look(config.clips).items()
            if value != ours.get(key)
        ]
        if others:
            raise CheckpointError("checkpoints that look at other clips cannot be averaged", others)
        self.views = ViewMean(models[0].feature_dim, self.is_single_label)
        self._states = [
            {name: value.numpy() for name, value in checkpoint.state.items()} for checkpoint in checkpoints.values()
        ]

    @property
    def dim(self) -> int:
        """F + K."""
        return self.views.feature_dim + self.config.num_classes

    def build(self) -> ClipEnsemble:
        """The models, filled and in evaluation."""
        members = [_filled(config, state) for config, state in zip(self.configs, self._states, strict=True)]
        temperatures = [config.temperature for config in self.configs]
        return ClipEnsemble(members, temperatures, multi_label=not self.is_single_label)


@dataclass(frozen=True)
class ViewMean:
    """From the clips of one video to what is said of it."""

    feature_dim: int
    is_single_label: bool

    def embedding(self, said: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (F,) of a video of whose clips (V, F + K) is said."""
        mean: NDArray[np.float32] = said[:, : self.feature_dim].mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean

    def best(self, said: NDArray[np.float32], top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Places of its best classes and their probabilities, (k,) each."""
        logits = torch.from_numpy(said[:, self.feature_dim :]).double()  # (V, K)
        if len(logits) > 1:
            logits = mean_probability(logits, multi_label=not self.is_single_label)[None]
        classes, scores = best_classes(logits, top_k, is_single_label=self.is_single_label)
        return classes[0], scores[0]


class ClipEnsemble(nn.Module):
    """Members of one clip format, which somebody else has made and loaded."""

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
        """Clips, uint8 (N, T, H, W, C), as all members want them: float32 (N, C, T, H, W)."""
        return self.models[0].prepare(clips)

    def reduce(self, dtype: torch.dtype) -> None:
        """Hold the weights of all but the heads in `dtype`, and convolutions as the fastest kernels want them."""
        for module in (module for model in self.models for module in model.trunk.modules()):
            if isinstance(module, REDUCED):
                module.to(dtype)
            if isinstance(module, nn.Conv3d):
                DirectConv3d.replace(module)

    def forward(self, values: Tensor) -> Tensor:
        """Features of the first member and logits of all, float32 (N, F + K), of prepared clips.

        Features are computed in the type of `values`, logits in fp32.
        """
        is_reduced = values.dtype != torch.float32
        # The weights have that type already; what has not (batch norm, gates) meets them by autocasting.
        with torch.autocast(values.device.type, values.dtype, enabled=is_reduced, cache_enabled=False):
            features = [model.forward_features(values).float() for model in self.models]
        each = zip(self.models, features, self.temperatures, strict=True)
        logits = torch.stack([model.forward_head(found) / heat for model, found, heat in each])  # (members, N, K)
        joint = mean_probability(logits, multi_label=self.multi_label) if len(logits) > 1 else logits[0]
        return torch.cat([features[0], joint], dim=1)


def _look(clips: ClipInput) -> dict[str, Any]:
    """What a model sees of a video, but for how often it looks: that is for whoever labels to say."""
    sampling = {key: value for key, value in clips.sampling.items() if key not in VIEWS}
    return {**asdict(clips.format), **sampling}


def _filled(config: CheckpointConfig, state: Mapping[str, NDArray[np.generic]]) -> ClipModel:
    # Copied, because arrays that came through shared memory cannot be written to.
    return clip_model_of(Checkpoint(config, {name: torch.tensor(value) for name, value in state.items()}))


def clip_model_of(checkpoint: Checkpoint, subject: str = "checkpoint") -> ClipModel:
    """The model that `checkpoint` describes, filled with its weights; `subject` opens an error's message.

    Raises:
        CheckpointError: where it is no clip classifier, one that this version does not know, or does not fit.
    """
    config = checkpoint.config
    if config.level != CLIP or config.clips is None:
        raise CheckpointError(subject, [f"model {config.model!r} takes features, not clips"])
    try:
        model = build_clip_model(config.model, num_classes=config.num_classes, options=config.options)
    except ValueError as error:
        raise CheckpointError(subject, [str(error)]) from error
    # The rate may have been chosen for the videos; all else is the model's own.
    if replace(config.clips.format, fps=None) != replace(model.clip_format, fps=None):
        raise CheckpointError(
            subject,
            [f"its clips are {config.clips.format}, those of {config.model!r} as its options say {model.clip_format}"],
        )
    load_weights(model, checkpoint, subject)
    return model
