"""Mixture of Experts on the per-video means.

In: rgb (N, D) and audio (N, A), float32. Out: logits (N, K). N videos, D and A features, K classes, M mixtures.

Source: google/youtube-8m `video_level_models.py`, arXiv:1609.08675: the mixture (`heads.MixtureHead`) straight on the
concatenated features, M = 2. 57,620 parameters with 10 classes on 1024 + 128 features. The source adds an L2 penalty of
1e-8 to all weights; a penalty belongs to training here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from classifiers.feature_models.base import FeatureModel, register_model
from classifiers.model_options import check_options


@dataclass(frozen=True)
class MixtureConfig:
    """`num_mixtures` counts the experts of a class without the one that always says no."""

    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the number."""
        check_options(self, at_least={"num_mixtures": 1})


@register_model("mixture-of-experts", MixtureConfig(), parameters=57_620)
class MixtureOfExperts(FeatureModel):
    """The mixture by itself: its features are the inputs."""

    level = "video"

    def __init__(self, *, num_classes: int, rgb_dim: int, audio_dim: int, config: MixtureConfig) -> None:
        super().__init__(
            num_classes=num_classes,
            rgb_dim=rgb_dim,
            audio_dim=audio_dim,
            feature_dim=rgb_dim + audio_dim,
            num_mixtures=config.num_mixtures,
        )
        self.config = config

    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """The concatenated means: (N, D + A)."""
        return torch.cat([rgb, audio], dim=1)
