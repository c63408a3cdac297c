"""Mixture of Experts on video-level means.

In: rgb (N, D) and audio (N, A), float32. Out: logits (N, K). N videos, D and A features, K classes, M mixtures.

Source: google/youtube-8m `video_level_models.py`, arXiv:1609.08675: the mixture (`heads.MixtureHead`) directly on the
concatenated features, M = 2. 57,620 parameters with 10 classes on 1024 + 128 features. The source adds an L2 penalty of
1e-8 to all weights; here penalties are an option of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes, register_model
from classifiers.model_options import check_options


@dataclass(frozen=True)
class MixtureConfig:
    """`num_mixtures` is the number of experts per class, without the one that always predicts 0."""

    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        check_options(self, at_least={"num_mixtures": 1})


@register_model("mixture-of-experts", MixtureConfig(), parameters=57_620)
class MixtureOfExperts(FeatureModel):
    """The mixture on the concatenated features, without hidden layers."""

    level = "video"

    def __init__(self, *, config: MixtureConfig, **sizes: Unpack[Sizes]) -> None:
        feature_dim = sizes["rgb_dim"] + sizes["audio_dim"]
        super().__init__(config=config, feature_dim=feature_dim, num_mixtures=config.num_mixtures, **sizes)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        return torch.cat([rgb, audio], dim=1)
