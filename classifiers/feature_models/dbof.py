"""Deep Bag of Frames: each frame to a wide sparse code, pooled over the frames.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, S sampled
ones, D and A features, C clusters, H hidden, K classes.

Source: google/youtube-8m `frame_level_models.py` `DbofModel`, arXiv:1609.08675: 30 frames drawn with replacement, batch
normalisation, 8192 clusters with ReLU6, max over the frames, 1024 hidden with ReLU6, a mixture of two experts a class.
17,897,748 parameters with 10 classes on 1024 + 128 features.

In evaluation the source draws frames too; here they are equally spaced, so that a video always gets the same result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.feature_models.base import FeatureModel, register_model
from classifiers.layers.row_norm import RowNorm
from classifiers.model_options import check_options

POOLINGS = {"max": lambda codes: codes.amax(dim=1), "average": lambda codes: codes.mean(dim=1)}


@dataclass(frozen=True)
class DbofConfig:
    """Sizes of the two layers, frames sampled of each video, how codes are pooled, and the head's mixtures."""

    clusters: int = 8192
    hidden: int = 1024
    sampled_frames: int = 30
    pooling: str = "max"
    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the numbers."""
        least = {"clusters": 1, "hidden": 1, "sampled_frames": 1, "num_mixtures": 0}
        check_options(self, at_least=least, choices={"pooling": POOLINGS})


@register_model("dbof", DbofConfig(), parameters=17_897_748)
class DeepBagOfFrames(FeatureModel):
    """Sampled frames to codes, pooled, to one hidden layer."""

    level = "frame"

    def __init__(self, *, num_classes: int, rgb_dim: int, audio_dim: int, config: DbofConfig) -> None:
        super().__init__(
            num_classes=num_classes,
            rgb_dim=rgb_dim,
            audio_dim=audio_dim,
            feature_dim=config.hidden,
            num_mixtures=config.num_mixtures,
        )
        self.config = config
        self.input_norm = RowNorm(rgb_dim + audio_dim)
        self.clusters = nn.Linear(rgb_dim + audio_dim, config.clusters, bias=False)
        self.cluster_norm = RowNorm(config.clusters)
        self.hidden = nn.Linear(config.clusters, config.hidden, bias=False)
        self.hidden_norm = RowNorm(config.hidden)
        for layer in (self.clusters, self.hidden):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """Frames to the hidden layer: (N, H)."""
        index = self._sampled(num_frames.clamp(1, rgb.shape[1]))  # (N, S)
        videos = torch.arange(len(rgb), device=rgb.device)[:, None]
        rows = torch.cat([rgb[videos, index], audio[videos, index]], dim=2).flatten(0, 1)  # (N S, D + A)
        codes = F.relu6(self.cluster_norm(self.clusters(self.input_norm(rows))))
        pooled = POOLINGS[self.config.pooling](codes.view(*index.shape, -1))  # (N, C)
        return F.relu6(self.hidden_norm(self.hidden(pooled)))

    def _sampled(self, num_frames: Tensor) -> Tensor:
        count = self.config.sampled_frames
        if self.training:
            places = torch.rand(len(num_frames), count, dtype=torch.float64, device=num_frames.device)
        else:
            places = (torch.arange(count, dtype=torch.float64, device=num_frames.device)[None] + 0.5) / count
        return (places * num_frames[:, None]).long()  # places are below 1, so the index is below num_frames
