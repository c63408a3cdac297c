"""The residual block of both face networks, with TensorFlow's padding.

Dimensions: B batch, C channels, H, W.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: where it is odd, the extra row and column are at the end."""

    def forward(self, x: Tensor) -> Tensor:
        """B, C, H, W to B, C', ceil(H / stride), ceil(W / stride)."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        down, right = (
            max(kernel - stride if side % stride == 0 else kernel - side % stride, 0) for side in x.shape[2:]
        )
        if down % 2 or right % 2:
            x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
            return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return F.conv2d(x, self.weight, self.bias, self.stride, (down // 2, right // 2), self.dilation, self.groups)


class Block(nn.Module):
    """Depthwise 3 x 3, pointwise, and the input added: max-pooled if the stride is 2, with zeros as new channels."""

    def __init__(self, channels_in: int, channels: int, *, stride: int, activation: nn.Module) -> None:
        super().__init__()
        self.depthwise = SameConv(channels_in, channels_in, 3, stride, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels, 1)
        self.activation = activation
        self.stride = stride
        self.new_channels = channels - channels_in

    def forward(self, x: Tensor) -> Tensor:
        """B, C, H, W to B, C', H / stride, W / stride."""
        update = self.pointwise(self.depthwise(x))
        if self.stride == 2:
            x = F.max_pool2d(x, 2)
        if self.new_channels:
            x = F.pad(x, (0, 0, 0, 0, 0, self.new_channels))
        output: Tensor = self.activation(x + update)
        return output
