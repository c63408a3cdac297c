"""Dropout that a CPU draws quickly: any shape to the same, float.

Each value is kept with probability 1 - rate and divided by that. Torch draws the choices on a CPU one trial at
a time, which is a fifth of a training step of the dense classifiers; comparing uniform numbers takes a quarter of that.
Other devices have a kernel of torch's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class QuickDropout(nn.Dropout):
    """`nn.Dropout` with other random numbers on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop values in training, none in evaluation."""
        if not self.training or input.device.type != "cpu" or self.p == 0:
            return super().forward(input)
        # Uniform in float32 whatever the input: in half precision they are too coarse for a rate.
        kept = torch.rand(input.shape, dtype=torch.float32) >= self.p
        return input * kept.to(input.dtype).mul_(1 / (1 - self.p))
