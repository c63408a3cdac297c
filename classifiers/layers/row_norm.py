"""Batch normalisation of rows: float32 (R, D) to (R, D), R rows, D features.

Epsilon is TF-slim's 1e-3, with which the YouTube-8M models were published. Running statistics follow at torch's rate of
0.1 a step and not at slim's 0.001, which takes thousands of steps to be of use. A single row has no variance: in
training it is normalised with the running statistics, so that the odd video at the end of an epoch stops nothing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-3


class RowNorm(nn.BatchNorm1d):
    """Batch normalisation over rows."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=EPSILON)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each feature over the rows."""
        if self.training and len(input) == 1:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)
