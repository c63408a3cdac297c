"""Deep Bag of Frames: frames to wide sparse codes, pooled over the frames.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, S sampled
frames, D and A features, C clusters, H hidden, K classes.

Source: google/youtube-8m `frame_level_models.py` `DbofModel`, arXiv:1609.08675: 30 frames sampled with replacement,
batch normalisation, 8192 clusters with ReLU6, max over the frames, 1024 hidden with ReLU6, a mixture of two experts per
class. 17,897,748 parameters with 10 classes on 1024 + 128 features.

The source samples frames at random in evaluation too; here they are equally spaced, so that results are repeatable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes, register_model
from classifiers.layers.row_norm import RowNorm
from classifiers.model_options import check_options

POOLINGS = {"max": lambda codes: codes.amax(dim=1), "average": lambda codes: codes.mean(dim=1)}


@dataclass(frozen=True)
class DbofConfig:
    """Sizes of the two layers, frames sampled per video, pooling of the codes, and the head's mixtures."""

    clusters: int = 8192
    hidden: int = 1024
    sampled_frames: int = 30
    pooling: str = "max"
    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        least = {"clusters": 1, "hidden": 1, "sampled_frames": 1, "num_mixtures": 0}
        check_options(self, at_least=least, choices={"pooling": POOLINGS})


@register_model("dbof", DbofConfig(), parameters=17_897_748)
class DeepBagOfFrames(FeatureModel):
    """Codes of sampled frames, pooled, with a hidden layer."""

    level = "frame"

    def __init__(self, *, config: DbofConfig, **sizes: Unpack[Sizes]) -> None:
        super().__init__(config=config, feature_dim=config.hidden, num_mixtures=config.num_mixtures, **sizes)
        input_dim = self.rgb_dim + self.audio_dim
        self.input_norm = RowNorm(input_dim)
        self.clusters = nn.Linear(input_dim, config.clusters, bias=False)
        self.cluster_norm = RowNorm(config.clusters)
        self.hidden = nn.Linear(config.clusters, config.hidden, bias=False)
        self.hidden_norm = RowNorm(config.hidden)
        for layer in (self.clusters, self.hidden):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        index = self._sampled(num_frames.clamp(1, rgb.shape[1]))  # (N, S)
        videos = torch.arange(len(rgb), device=rgb.device)[:, None]
        rows = torch.cat([rgb[videos, index], audio[videos, index]], dim=2).flatten(0, 1)  # (N S, D + A)
        codes = F.relu6(self.cluster_norm(self.clusters(self.input_norm(rows))))
        pooled = POOLINGS[self.config.pooling](codes.view(*index.shape, -1))  # (N, C)
        return F.relu6(self.hidden_norm(self.hidden(pooled)))

    def _sampled(self, num_frames: Tensor) -> Tensor:
        """Indices (N, S) of the sampled frames."""
        count = self.config.sampled_frames
        if self.training:
            positions = torch.rand(len(num_frames), count, dtype=torch.float64, device=num_frames.device)
        else:
            positions = (torch.arange(count, dtype=torch.float64, device=num_frames.device)[None] + 0.5) / count
        return (positions * num_frames[:, None]).long()  # positions are below 1, so the index is below num_frames
