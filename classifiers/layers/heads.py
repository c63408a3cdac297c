"""Classification heads: a video's features to class logits.

In: float32 (N, H). Out: logits (N, K). N videos, H hidden, K classes, M mixtures.

`MixtureHead` is the Mixture of Experts of google/youtube-8m `video_level_models.py` (arXiv:1609.08675): each class has
M logistic experts and its own softmax gate over M + 1 experts, the last of which always predicts 0. The source returns
the probability p; here the result is log p - log(1 - p), computed in log space, so that its sigmoid is p and nothing
overflows. Parameters: H K (M + 1) + H K M + K M.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MixtureHead(nn.Module):
    """M logistic experts per class, mixed by a gate."""

    def __init__(self, *, feature_dim: int, num_classes: int, num_mixtures: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_mixtures = num_mixtures
        self.gates = nn.Linear(feature_dim, num_classes * (num_mixtures + 1), bias=False)
        self.experts = glorot_linear(feature_dim, num_classes * num_mixtures)
        nn.init.xavier_uniform_(self.gates.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, H) to logits (N, K)."""
        gates = self.gates(features).view(-1, self.num_classes, self.num_mixtures + 1)  # (N, K, M + 1)
        experts = self.experts(features).view(-1, self.num_classes, self.num_mixtures)  # (N, K, M)
        log_gates = F.log_softmax(gates, dim=2)
        log_yes = log_gates[:, :, :-1] + F.logsigmoid(experts)
        log_no = log_gates[:, :, :-1] + F.logsigmoid(-experts)
        log_no = torch.cat([log_no, log_gates[:, :, -1:]], dim=2)  # the expert that always predicts 0
        return torch.logsumexp(log_yes, dim=2) - torch.logsumexp(log_no, dim=2)


def make_head(*, feature_dim: int, num_classes: int, num_mixtures: int) -> nn.Module:
    """A mixture of `num_mixtures` experts per class, or a linear layer if that is 0."""
    if num_mixtures == 0:
        return glorot_linear(feature_dim, num_classes)
    return MixtureHead(feature_dim=feature_dim, num_classes=num_classes, num_mixtures=num_mixtures)


def glorot_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer initialised as in Keras and TF-slim: Glorot-uniform weights, zero bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
