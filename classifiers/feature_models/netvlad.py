"""NetVLAD: soft assignment of frames to learned cluster centres, and their residuals.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, R rows
(grid points without padding), D and A features, C clusters, H hidden, K classes.

Source: arXiv:1706.06905 and its code antoine77340/Youtube-8M-WILLOW, `NetVLADModelLF`: batch normalisation of the
input, 64 clusters for rgb and half as many for audio, residuals normalised per cluster and then as a whole, 1024
hidden, context gating, a mixture of two experts per class. 72,547,796 parameters with 10 classes on 1024 + 128
features. Without `gating` the hidden layer has batch normalisation and ReLU6 instead, the other published form.

The source samples 300 frames per video with replacement; here each frame counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes, register_model
from classifiers.layers.frames import padded, valid_frames
from classifiers.layers.row_norm import RowNorm
from classifiers.model_options import check_options


@dataclass(frozen=True)
class NetVladConfig:
    """Clusters of rgb (audio has half), units of the hidden layer, context gating, and the head's mixtures."""

    clusters: int = 64
    hidden: int = 1024
    gating: bool = True
    num_mixtures: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        check_options(self, at_least={"clusters": 2, "hidden": 1, "num_mixtures": 0})


class Vlad(nn.Module):
    """Frames of one input to their residuals around C centres: (N, C D), of norm 1."""

    def __init__(self, *, dim: int, clusters: int) -> None:
        super().__init__()
        self.assignment = nn.Linear(dim, clusters, bias=False)
        self.norm = RowNorm(clusters)
        self.centres = nn.Parameter(torch.empty(clusters, dim))
        for weight in (self.assignment.weight, self.centres):
            nn.init.normal_(weight, std=dim**-0.5)

    def forward(self, rows: Tensor, valid: Tensor) -> Tensor:
        """Rows (R, D) with their mask (N, T) to residuals (N, C D)."""
        shares = padded(F.softmax(self.norm(self.assignment(rows)), dim=1), valid)  # (N, T, C)
        sums = shares.transpose(1, 2) @ padded(rows, valid)  # (N, C, D)
        residuals = sums - shares.sum(dim=1)[:, :, None] * self.centres
        return F.normalize(F.normalize(residuals, dim=2).flatten(1), dim=1)


class ContextGate(nn.Module):
    """Features times a sigmoid gate computed from all features: (N, H) to (N, H)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim, bias=False)
        self.norm = RowNorm(dim)
        nn.init.normal_(self.linear.weight, std=dim**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Gate features (N, H)."""
        return features * torch.sigmoid(self.norm(self.linear(features)))


@register_model("netvlad", NetVladConfig(), parameters=72_547_796)
class NetVlad(FeatureModel):
    """Residuals of rgb and audio, with a gated hidden layer."""

    level = "frame"

    def __init__(self, *, config: NetVladConfig, **sizes: Unpack[Sizes]) -> None:
        super().__init__(config=config, feature_dim=config.hidden, num_mixtures=config.num_mixtures, **sizes)
        audio_clusters = config.clusters // 2
        self.input_norm = RowNorm(self.rgb_dim + self.audio_dim)
        self.rgb = Vlad(dim=self.rgb_dim, clusters=config.clusters)
        self.audio = Vlad(dim=self.audio_dim, clusters=audio_clusters)
        width = config.clusters * self.rgb_dim + audio_clusters * self.audio_dim
        self.hidden = nn.Linear(width, config.hidden, bias=config.gating)
        # The input has norm sqrt(2) whatever its width: scaling by width would make the output vanish.
        nn.init.normal_(self.hidden.weight, std=config.clusters**-0.5)
        last = [ContextGate(config.hidden)] if config.gating else [RowNorm(config.hidden), nn.ReLU6()]
        self.last = nn.Sequential(*last)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        valid = valid_frames(num_frames, rgb.shape[1])
        rows = self.input_norm(torch.cat([rgb[valid], audio[valid]], dim=1))  # (R, D + A)
        rgb_rows, audio_rows = rows.split([self.rgb_dim, self.audio_dim], dim=1)
        vlad = torch.cat([self.rgb(rgb_rows, valid), self.audio(audio_rows, valid)], dim=1)
        features: Tensor = self.last(self.hidden(vlad))
        return features
