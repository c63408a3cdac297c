"""Inception-v1 over clips: what I3D and S3D have in common, from the stem to the features.

In: (N, C, T, H, W). Out: stages by their published names; the last gives features (N, F), F 1024. N clips, T frames.

Source: arXiv:1409.4842 with the batch normalisation of arXiv:1502.03167, and one more dimension (arXiv:1705.07750). A
pooling belongs to the stage after it, and the mean over positions to the last one: stages are units of freezing, and
there is nothing in a pooling to train.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.layers.same_padding import pad_same, same_padding

Size = tuple[int, int, int]  # T, H, W

# Channels of a block's branches: b0; b1a, b1b; b2a, b2b; b3b.
BLOCKS: dict[str, tuple[int, int, int, int, int, int]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
WINDOW: Size = (2, 7, 7)  # of the last pooling
STRIDE_POOLS: dict[str, tuple[Size, Size]] = {  # before a stage: kernel and stride
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


class MakeConvolution(Protocol):
    """Makes a convolution, `size` in each direction, with its normalisation and ReLU."""

    def __call__(self, inputs: int, outputs: int, *, size: int, stride: int = 1) -> nn.Module:
        """From so many channels to so many."""


class MakePool(Protocol):
    """Makes a max pooling."""

    def __call__(self, kernel: Size, stride: Size) -> nn.Module:
        """Of that kernel and stride."""


class Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU. With `same`, padded as TensorFlow does, else by half."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: Size, stride: Size = (1, 1, 1), same: bool, epsilon: float
    ) -> None:
        super().__init__()
        self.pads = same and max(stride) > 1  # else both paddings are the same, and the convolution's own
        half: Size = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, (0, 0, 0) if self.pads else half, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=epsilon)
        nn.init.kaiming_normal_(self.conv3d.weight, nonlinearity="relu")

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to as many outputs, with strides taken."""
        if self.pads:
            values = pad_same(values, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(values)), inplace=True)


class SamePool(nn.Module):
    """Max pooling padded as TensorFlow's SAME: the padding is never the greatest."""

    def __init__(self, kernel: Size, stride: Size) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W), with strides taken."""
        sizes = zip(values.shape[2:], self.kernel, self.stride, strict=True)
        before = tuple(same_padding(*size)[0] for size in sizes)
        # What is behind may be one more than what is before: rounding up takes the window that reaches there.
        return F.max_pool3d(values, self.kernel, self.stride, before, ceil_mode=True)


class Block(nn.Module):
    """Four branches side by side."""

    def __init__(self, inputs: int, outputs: tuple[int, ...], *, convolution: MakeConvolution, pool: MakePool) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = outputs
        self.b0 = convolution(inputs, b0, size=1)
        self.b1a = convolution(inputs, b1a, size=1)
        self.b1b = convolution(b1a, b1b, size=3)
        self.b2a = convolution(inputs, b2a, size=1)
        self.b2b = convolution(b2a, b2b, size=3)  # the paper's 5 x 5: those who trained it took 3
        self.b3a = pool((3, 3, 3), (1, 1, 1))
        self.b3b = convolution(inputs, b3b, size=1)
        self.outputs = b0 + b1b + b2b + b3b

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to the branches' channels, one after the other."""
        branches = (
            self.b0(values),
            self.b1b(self.b1a(values)),
            self.b2b(self.b2a(values)),
            self.b3b(self.b3a(values)),
        )
        return torch.cat(branches, dim=1)


class WindowMean(nn.Module):
    """Mean of all windows of 2 x 7 x 7, or of what there is: (N, C, T, H, W) to (N, C).

    The published networks take the head's logits of each window and average those; the head is linear, so features may
    be averaged instead.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Take the means."""
        window = [min(size, most) for size, most in zip(values.shape[2:], WINDOW, strict=True)]
        return F.avg_pool3d(values, window, stride=1).mean(dim=(2, 3, 4))


def inception_stages(
    inputs: int, *, channels: Callable[[int], int], convolution: MakeConvolution, pool: MakePool
) -> tuple[dict[str, nn.Module], int]:
    """All stages, and F. `channels` gives a layer's channels for the published ones."""
    bodies: dict[str, nn.Module] = {
        "Conv3d_1a_7x7": convolution(inputs, channels(64), size=7, stride=2),
        "Conv3d_2b_1x1": convolution(channels(64), channels(64), size=1),
        "Conv3d_2c_3x3": convolution(channels(64), channels(192), size=3),
    }
    width = channels(192)
    for name, outputs in BLOCKS.items():
        block = Block(width, tuple(map(channels, outputs)), convolution=convolution, pool=pool)
        bodies[name], width = block, block.outputs
    stages: dict[str, nn.Module] = {}
    for name, body in bodies.items():
        layers = OrderedDict([("body", body)])
        if name in STRIDE_POOLS:
            layers["pool"] = pool(*STRIDE_POOLS[name])
            layers.move_to_end("pool", last=False)
        stages[name] = nn.Sequential(layers)
    stages["Mixed_5c"] = nn.Sequential(OrderedDict([("body", bodies["Mixed_5c"]), ("mean", WindowMean())]))
    return stages, width
