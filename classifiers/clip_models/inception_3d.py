"""Inception-v1 over clips: the common part of I3D and S3D, from the stem to the features.

In: (N, C, T, H, W). Out: stages by their published names; the last returns features (N, F), F = 1024. N clips, T
frames.

Source: arXiv:1409.4842 with the batch normalisation of arXiv:1502.03167, extended by time (arXiv:1705.07750). Pooling
belongs to the stage after it, and the mean over positions to the last stage: stages are the units of freezing, and
pooling has nothing to train.
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

# Channels of the branches of a block: b0; b1a, b1b; b2a, b2b; b3b.
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
STRIDE_POOLS: dict[str, tuple[Size, Size]] = {  # kernel and stride of the max pooling at the start of a stage
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


class MakeConvolution(Protocol):
    """Creates a convolution with normalisation and ReLU."""

    def __call__(self, inputs: int, outputs: int, *, size: int, stride: int = 1) -> nn.Module:
        """From `inputs` to `outputs` channels, with a kernel of `size` in all three directions."""


class MakePool(Protocol):
    """Creates a max pooling."""

    def __call__(self, kernel: Size, stride: Size) -> nn.Module:
        """With the given kernel and stride."""


class Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; half a kernel of padding, or TensorFlow's SAME if `same`."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: Size, stride: Size = (1, 1, 1), same: bool, epsilon: float
    ) -> None:
        super().__init__()
        self.pads = same and max(stride) > 1  # with stride 1 both paddings are equal
        half: Size = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, (0, 0, 0) if self.pads else half, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=epsilon)
        nn.init.kaiming_normal_(self.conv3d.weight, nonlinearity="relu")

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        if self.pads:
            values = pad_same(values, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(values)), inplace=True)


class SamePool(nn.Module):
    """Max pooling with TensorFlow's SAME padding, which never is the maximum."""

    def __init__(self, kernel: Size, stride: Size) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C, T', H', W')."""
        sizes = zip(values.shape[2:], self.kernel, self.stride, strict=True)
        before = tuple(same_padding(*size)[0] for size in sizes)
        # The padding at the end may be larger by one: `ceil_mode` includes the window that reaches it.
        return F.max_pool3d(values, self.kernel, self.stride, before, ceil_mode=True)


class Block(nn.Module):
    """An Inception block of four parallel branches."""

    def __init__(self, inputs: int, outputs: tuple[int, ...], *, convolution: MakeConvolution, pool: MakePool) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = outputs
        self.b0 = convolution(inputs, b0, size=1)
        self.b1a = convolution(inputs, b1a, size=1)
        self.b1b = convolution(b1a, b1b, size=3)
        self.b2a = convolution(inputs, b2a, size=1)
        self.b2b = convolution(b2a, b2b, size=3)  # 5 x 5 in the paper, 3 x 3 in the published weights
        self.b3a = pool((3, 3, 3), (1, 1, 1))
        self.b3b = convolution(inputs, b3b, size=1)
        self.outputs = b0 + b1b + b2b + b3b

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to the concatenated channels of the branches."""
        branches = (
            self.b0(values),
            self.b1b(self.b1a(values)),
            self.b2b(self.b2a(values)),
            self.b3b(self.b3a(values)),
        )
        return torch.cat(branches, dim=1)


class WindowMean(nn.Module):
    """The mean over the means of all windows of 2 x 7 x 7, or smaller if the input is: (N, C, T, H, W) to (N, C).

    The published networks average the logits of the windows; since the head is linear, averaging features is equal.
    """

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C)."""
        window = [min(int(size), most) for size, most in zip(values.shape[2:], WINDOW, strict=True)]
        return F.avg_pool3d(values, window, stride=1).mean(dim=(2, 3, 4))


def inception_stages(
    inputs: int, *, channels: Callable[[int], int], convolution: MakeConvolution, pool: MakePool
) -> tuple[dict[str, nn.Module], int]:
    """All stages, and F. `channels` maps the published channels of a layer to the model's."""
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
