"""Batch normalisation of rows: float32 (R, D) to (R, D), R rows, D features.

Epsilon is TF-slim's 1e-3, with which the YouTube-8M models were published. Running statistics are updated at torch's
rate of 0.1 per step, not at slim's 0.001, which takes thousands of steps to converge. A single row has no variance: in
training it is normalised with the running statistics, so that an epoch may end with a batch of one video.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

EPSILON = 1e-3


class RowNorm(nn.BatchNorm1d):
    """`nn.BatchNorm1d` for any number of rows in training, one included."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=EPSILON)

    @override
    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)
