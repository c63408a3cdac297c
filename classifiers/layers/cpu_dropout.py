"""Dropout that a CPU draws quickly: any shape to the same, float.

Each value is kept with probability 1 - rate and divided by that. Torch draws the choices on a CPU one trial at a time,
which is a fifth of a training step of the dense classifiers. Here one draw of 64 bits decides on four values, by 16
bits each: the rate is met to 1 / 65,536. Other devices have a kernel of torch's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

VALUES_PER_DRAW = 4
LEVELS = 1 << 16


class CpuDropout(nn.Dropout):
    """`nn.Dropout` with other random numbers on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop values in training, none in evaluation."""
        if not self.training or input.device.type != "cpu" or self.p == 0:
            return super().forward(input)
        dropped = min(max(round(self.p * LEVELS), 1), LEVELS - 1)
        draws = torch.empty(-(-input.numel() // VALUES_PER_DRAW), dtype=torch.int64).random_(-(1 << 63), None)
        kept = draws.view(torch.int16)[: input.numel()].view(input.shape) >= dropped - LEVELS // 2
        return input * kept.to(input.dtype).mul_(1 / (1 - self.p))
