"""NeXtVLAD: NetVLAD over groups of expanded features, with attention per group.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, R rows
(grid points without padding), G groups, E width of a group, C clusters, H hidden, K classes.

Source: arXiv:1811.05014 and its code linrongc/youtube-8m `nextvlad.py`: features expanded by 2, 8 groups, 128 clusters
(audio: half of both), dropout 0.5, 2048 hidden, a squeeze-and-excitation gate with reduction 8, a logistic head.
80,996,630 parameters with 10 classes on 1024 + 128 features.

Batch statistics exclude the padding of short videos, which the source includes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.feature_models.base import FeatureModel, Sizes, register_model
from classifiers.layers.cpu_dropout import CpuDropout
from classifiers.layers.frames import padded, valid_frames
from classifiers.layers.heads import glorot_linear
from classifiers.layers.row_norm import RowNorm
from classifiers.model_options import check_options


@dataclass(frozen=True)
class NextVladConfig:
    """Clusters and groups of rgb (audio has half), and the sizes of the following layers."""

    clusters: int = 128
    groups: int = 8
    expansion: int = 2
    hidden: int = 2048
    gating_reduction: int = 8
    dropout: float = 0.5
    num_mixtures: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        least = {"clusters": 2, "groups": 2, "expansion": 1, "hidden": 1, "gating_reduction": 1, "num_mixtures": 0}
        check_options(self, at_least=least, dropouts=("dropout",))
        if self.gating_reduction > self.hidden:
            raise ValueError(f"gating_reduction is {self.gating_reduction}, it must be at most hidden, {self.hidden}")


class GroupedVlad(nn.Module):
    """Frames of one input to normalised residuals: (N, C E)."""

    def __init__(self, *, dim: int, clusters: int, groups: int, expansion: int) -> None:
        super().__init__()
        width = dim * expansion
        if width % groups:
            raise ValueError(f"{dim} features x expansion {expansion} must be divisible by {groups} groups")
        self.groups = groups
        self.output_dim = clusters * (width // groups)
        self.widen = glorot_linear(dim, width)
        self.attention = glorot_linear(width, groups)
        self.assignment = nn.Linear(width, groups * clusters, bias=False)
        self.assignment_norm = RowNorm(groups * clusters)
        self.centres = nn.Parameter(torch.empty(clusters, width // groups))
        self.norm = RowNorm(self.output_dim)
        for weight in (self.assignment.weight, self.centres):
            nn.init.xavier_uniform_(weight)

    def forward(self, rows: Tensor, valid: Tensor) -> Tensor:
        """Rows (R, D) with their mask (N, T) to residuals (N, C E)."""
        wide = self.widen(rows)  # (R, G E)
        attention = torch.sigmoid(self.attention(wide))  # (R, G)
        assignment = self.assignment_norm(self.assignment(wide)).view(len(rows), self.groups, -1)  # (R, G, C)
        shares = F.softmax(assignment, dim=2) * attention[:, :, None]
        shares = padded(shares.flatten(1), valid).view(len(valid), -1, shares.shape[2])  # (N, T G, C)
        parts = padded(wide, valid).view(len(valid), -1, self.centres.shape[1])  # (N, T G, E)
        residuals = shares.transpose(1, 2) @ parts - shares.sum(dim=1)[:, :, None] * self.centres  # (N, C, E)
        vlad: Tensor = self.norm(F.normalize(residuals, dim=2).flatten(1))
        return vlad


class ExcitationGate(nn.Module):
    """Squeeze and excitation: features times a gate computed through a bottleneck, (N, H) to (N, H)."""

    def __init__(self, *, dim: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(dim, dim // reduction, bias=False)
        self.norm = RowNorm(dim // reduction)
        self.excite = nn.Linear(dim // reduction, dim, bias=False)
        for layer in (self.squeeze, self.excite):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Gate features (N, H)."""
        return features * torch.sigmoid(self.excite(F.relu(self.norm(self.squeeze(features)))))


@register_model("nextvlad", NextVladConfig(), parameters=80_996_630)
class NextVlad(FeatureModel):
    """Grouped residuals of rgb and audio, with a gated hidden layer."""

    level = "frame"

    def __init__(self, *, config: NextVladConfig, **sizes: Unpack[Sizes]) -> None:
        super().__init__(config=config, feature_dim=config.hidden, num_mixtures=config.num_mixtures, **sizes)
        clusters, groups, expansion = config.clusters, config.groups, config.expansion
        self.rgb = GroupedVlad(dim=self.rgb_dim, clusters=clusters, groups=groups, expansion=expansion)
        self.audio = GroupedVlad(dim=self.audio_dim, clusters=clusters // 2, groups=groups // 2, expansion=expansion)
        self.dropout = CpuDropout(config.dropout)
        self.hidden = nn.Linear(self.rgb.output_dim + self.audio.output_dim, config.hidden, bias=False)
        self.hidden_norm = RowNorm(config.hidden)
        self.gate = ExcitationGate(dim=config.hidden, reduction=config.gating_reduction)
        nn.init.xavier_uniform_(self.hidden.weight)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        valid = valid_frames(num_frames, rgb.shape[1])
        vlad = torch.cat([self.rgb(rgb[valid], valid), self.audio(audio[valid], valid)], dim=1)
        features: Tensor = self.gate(self.hidden_norm(self.hidden(self.dropout(vlad))))
        return features
