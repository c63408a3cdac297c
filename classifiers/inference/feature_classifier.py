"""A classifier that has been trained, ready to label: one checkpoint, or several whose probabilities are averaged.

In: batches of features; those of clips are in `classifiers.inference.clip_classifier`. Out: the best `top_k` classes of
each video (N, k), by their places in `class_names`, and their probabilities (N, k), float32, the surest first. N
videos, K classes, k the lesser of `top_k` and K.

Classes are ranked by their logits: far from 0, different logits round to the same probability and would lose their
order. Equal logits stand by the class's place. Softmax runs over all K classes whatever `top_k`, in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.data.batches import FeatureBatch
from classifiers.feature_models.base import FeatureModel, Level
from classifiers.feature_models.registry import build_model
from classifiers.inference.ensemble import Ensemble
from classifiers.losses import SINGLE_LABEL
from classifiers.metrics.top_predictions import top_predictions
from classifiers.weights.checkpoint import CLIP, Checkpoint, CheckpointConfig, CheckpointError, load_weights

AGREED = ("task", "num_classes", "class_names", "class_indices")
AGREED_FEATURES = ("rgb_dim", "audio_dim", "feature_fingerprint")


class Trained:
    """Checkpoints that go together. `config` is that of the first: they agree in what they take and name."""

    def __init__(self, checkpoints: Mapping[str, Checkpoint], agreed: Sequence[str] = ()) -> None:
        """`checkpoints` by what an error calls them; `agreed` what they must have in common beside their classes.

        Raises:
            CheckpointError: where they do not.
        """
        self.configs = tuple(checkpoint.config for checkpoint in checkpoints.values())
        self.config = self.configs[0]
        self.is_single_label = self.config.task == SINGLE_LABEL
        _check_agreement(dict(zip(checkpoints, self.configs, strict=True)), (*AGREED, *agreed))

    @property
    def name(self) -> str:
        """What labels call it: the models, each with the beginning of its weights' hash."""
        return "+".join(f"{config.model}@{config.weights_sha256[:12]}" for config in self.configs)


class TrainedClassifier(Trained):
    """What the checkpoints say of features together."""

    def __init__(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """`checkpoints` by what an error calls them.

        Raises:
            CheckpointError: for models that cannot be built or filled, or do not belong together.
        """
        super().__init__(checkpoints, AGREED_FEATURES)
        members = [_build(subject, checkpoint) for subject, checkpoint in checkpoints.items()]
        heats = [config.temperature for config in self.configs]
        self.model: nn.Module = members[0]
        self._temperature = heats[0]
        if len(members) > 1:
            self.model = Ensemble(members=members, multi_label=not self.is_single_label, temperatures=heats)
            self._temperature = 1.0
        self.model.eval()

    @property
    def level(self) -> Level:
        """Of the features that it takes."""
        return cast(Level, self.model.level)

    def to(self, device: torch.device) -> None:
        """Work on another device."""
        self.model.to(device)

    def label(self, batch: FeatureBatch, top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Places of the best classes and their probabilities, (N, k) each."""
        with torch.inference_mode():
            moved = batch.to(next(self.model.parameters()).device)
            logits: Tensor = self.model(moved.rgb, moved.audio, moved.num_frames).float().cpu()
        return best_classes(logits, top_k, is_single_label=self.is_single_label, temperature=self._temperature)


def best_classes(
    logits: Tensor, top_k: int, *, is_single_label: bool, temperature: float = 1.0
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Places of the best classes and their probabilities, (N, k) each, from logits (N, K) on the CPU."""
    classes, values = top_predictions(logits.numpy(), top_k)
    best = torch.from_numpy(values).double() / temperature
    if is_single_label:
        total = torch.logsumexp(logits.double() / temperature, dim=1, keepdim=True)
        shares = (best - total).exp()
    else:
        shares = best.sigmoid()
    return classes, shares.clamp(max=1.0).float().numpy()


def _build(subject: str, checkpoint: Checkpoint) -> FeatureModel:
    config = checkpoint.config
    if config.level == CLIP:
        problem = f"model {config.model!r} takes clips of videos, not features: score_videos.py --videos labels with it"
        raise CheckpointError(subject, [problem])
    try:
        model = build_model(
            config.model,
            num_classes=config.num_classes,
            rgb_dim=config.rgb_dim,
            audio_dim=config.audio_dim,
            options=config.options,
        )
    except ValueError as error:
        raise CheckpointError(subject, [str(error)]) from error
    if model.level != config.level:
        raise CheckpointError(subject, [f"level is {config.level!r}, but {config.model!r} is a {model.level} model"])
    load_weights(model, checkpoint, subject)
    return model


def _check_agreement(configs: Mapping[str, CheckpointConfig], agreed: Sequence[str]) -> None:
    (first, reference), *others = configs.items()
    problems = [
        f"{subject}: {name} {_told(config, name)}, {first} has {_told(reference, name)}"
        for subject, config in others
        for name in agreed
        if getattr(config, name) != getattr(reference, name)
    ]
    if problems:
        raise CheckpointError("checkpoints that cannot be averaged", problems)


def _told(config: CheckpointConfig, name: str) -> str:
    value = getattr(config, name)
    shown: Sequence[object] | object = list(value) if isinstance(value, tuple) else value
    text = str(shown)
    return text if len(text) <= 60 else f"{text[:57]}..."
