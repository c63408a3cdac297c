"""Trained feature classifiers: one checkpoint, or several whose probabilities are averaged.

In: batches of features. Out: the top k classes of each video (N, k), as positions in `class_names`, and their
probabilities (N, k), float32, descending. N videos, K classes, k = min(top_k, K).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifiers.data.batches import FeatureBatch
from classifiers.feature_models.base import FeatureModel, Level, Sizes
from classifiers.feature_models.registry import build_model
from classifiers.inference.base import Classifier, top_classes
from classifiers.inference.ensemble import Ensemble
from classifiers.inference.scikit_learn import MODEL as SCIKIT_LEARN
from classifiers.inference.scikit_learn import estimator_model
from classifiers.weights.checkpoint import CLIP, LIP, Checkpoint, CheckpointError, fitted_model
from schemas.commands import job

FEATURE_FIELDS = ("rgb_dim", "audio_dim", "feature_fingerprint")


class TrainedClassifier(Classifier):
    """A feature classifier with its weights."""

    def __init__(self, checkpoints: Mapping[str, Checkpoint]) -> None:
        """`checkpoints` by the name that error messages use.

        Raises:
            CheckpointError: for models that cannot be built or loaded, or cannot be averaged.
        """
        super().__init__(checkpoints, FEATURE_FIELDS)
        members = [_feature_model_of(checkpoint, subject) for subject, checkpoint in checkpoints.items()]
        temperatures = [config.temperature for config in self.configs]
        self.model: nn.Module = members[0]
        self._temperature = temperatures[0]
        if len(members) > 1:
            self.model = Ensemble(members=members, multi_label=not self.is_single_label, temperatures=temperatures)
            self._temperature = 1.0
        self.model.eval()

    @property
    def level(self) -> Level:
        """The level of the features that the model takes."""
        return cast(Level, self.model.level)

    def to(self, device: torch.device) -> None:
        """Move the model to another device."""
        self.model.to(device)

    def label(self, batch: FeatureBatch, top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The top classes, as positions in `class_names`, and their probabilities, (N, k) each."""
        logits = self._run(batch)
        return top_classes(logits, top_k, is_single_label=self.is_single_label, temperature=self._temperature)

    def logits(self, batch: FeatureBatch) -> Tensor:
        """The logits (N, K), at the temperature of the checkpoint, float32 on the CPU."""
        return self._run(batch) / self._temperature

    def _run(self, batch: FeatureBatch) -> Tensor:
        with torch.inference_mode():
            moved = batch.to(next(self.model.parameters()).device)
            logits: Tensor = self.model(moved.rgb, moved.audio, moved.num_frames).float().cpu()
        return logits


def _feature_model_of(checkpoint: Checkpoint, subject: str) -> FeatureModel:
    """The model of a checkpoint with its weights; error messages start with `subject`."""
    config = checkpoint.config
    if config.level == LIP:
        raise CheckpointError(subject, [f"model {config.model!r} takes {config.takes}, not features"])
    if config.level == CLIP:
        label = f"{job('score_videos')} --videos"
        problem = f"model {config.model!r} takes clips of videos, not features: {label} labels with it"
        raise CheckpointError(subject, [problem])
    if config.model == SCIKIT_LEARN:
        return estimator_model(checkpoint, subject)
    sizes = {name: getattr(config, name) for name in Sizes.__annotations__}
    model = fitted_model(partial(build_model, config.model, options=config.options, **sizes), checkpoint, subject)
    if model.level != config.level:
        raise CheckpointError(subject, [f"level is {config.level!r}, but {config.model!r} is a {model.level} model"])
    return model
