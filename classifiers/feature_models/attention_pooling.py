"""Attention pooling: a mean over frames, weighted by learned attention.

In: rgb (N, T, D) and audio (N, T, A), float32, num_frames (N,). Out: logits (N, K). N videos, T grid points, D and A
features, H hidden, L attention units, K classes.

Source: the gated attention of arXiv:1802.04712 (multiple instance learning): frames to H = 512 with ReLU, the weight of
a frame is softmax over w (tanh(V h) * sigmoid(U h)) with L = 128, the weighted mean is the input of a logistic head.
726,922 parameters with 10 classes on 1024 + 128 features. The result does not depend on the order of the frames.
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
from classifiers.layers.frames import valid_frames
from classifiers.layers.heads import glorot_linear
from classifiers.model_options import check_options


@dataclass(frozen=True)
class AttentionPoolingConfig:
    """Sizes of the layers, dropout on the pooled features, and the head's mixtures (0: plain logistic)."""

    hidden: int = 512
    attention: int = 128
    dropout: float = 0.0
    num_mixtures: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        check_options(self, at_least={"hidden": 1, "attention": 1, "num_mixtures": 0}, dropouts=("dropout",))


@register_model("attention-pooling", AttentionPoolingConfig(), parameters=726_922)
class AttentionPooling(FeatureModel):
    """A hidden layer over frames, pooled by gated attention."""

    level = "frame"

    def __init__(self, *, config: AttentionPoolingConfig, **sizes: Unpack[Sizes]) -> None:
        super().__init__(config=config, feature_dim=config.hidden, num_mixtures=config.num_mixtures, **sizes)
        self.hidden = glorot_linear(self.rgb_dim + self.audio_dim, config.hidden)
        self.content = glorot_linear(config.hidden, config.attention)
        self.gate = glorot_linear(config.hidden, config.attention)
        self.score = nn.Linear(config.attention, 1, bias=False)  # softmax would cancel a bias
        self.dropout = CpuDropout(config.dropout)

    @override
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        hidden = F.relu(self.hidden(torch.cat([rgb, audio], dim=2)))  # (N, T, H)
        scores = self.score(torch.tanh(self.content(hidden)) * torch.sigmoid(self.gate(hidden)))[:, :, 0]  # (N, T)
        scores = scores.masked_fill(~valid_frames(num_frames, rgb.shape[1]), float("-inf"))
        weights = F.softmax(scores, dim=1)
        pooled: Tensor = self.dropout((weights[:, None] @ hidden)[:, 0])  # (N, 1, T) @ (N, T, H)
        return pooled
