"""MoViNet A0 to A5: mobile networks over clips; here the base variants, and what the stream variants share with them.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 2048). N clips, T frames, K classes.

Source: arXiv:2103.11511; strides, padding and names are those of the public PyTorch weights (Atze00/MoViNet-pytorch at
c2d1edf with `tf_like`, converted from tensorflow/models `official/projects/movinet`). 3,111,799 / 4,690,296 /
5,249,562 / 7,397,545 / 11,349,463 / 18,650,523 parameters with 600 classes. Five groups of inverted bottlenecks:

    expand 1 x 1 x 1 ─ depthwise, strided ─ squeeze and excitation ─ project 1 x 1 x 1 ─ times alpha, plus the input

Time is never strided. Convolutions have TensorFlow's SAME padding; the pooling of a shortcut excludes the padding. The
epsilon of batch normalisation is 1e-3, the activation x sigmoid(x). Alpha is initialised to 0, so that a new block is
the identity. The stream variants (`movinet_stream`) have the same blocks, of other layers (`MoViNetParts`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import Accuracy, ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.movinet_layouts import published_layouts
from classifiers.clip_models.movinet_variants import VARIANTS
from classifiers.layers.same_padding import pad_same
from classifiers.layers.stream import Chain, Stream, StreamLayer
from classifiers.published_layout import Layout
from schemas.clips import UNIT, ClipFormat

EPSILON = 1e-3
HIDDEN = 2048


@dataclass(frozen=True, kw_only=True)
class MoViNetConfig(ClipConfig):
    """The published size, one of `VARIANTS`."""

    variant: str = "a0"

    choices: ClassVar[Mapping[str, Collection[str]]] = {"variant": VARIANTS}

    @override
    def clip_format(self) -> ClipFormat:
        published = VARIANTS[self.variant]
        resize = (max(self.height, self.width) * published.resize // published.size,)
        return self.make_format(resize=resize, fps=str(published.fps), pixels=UNIT)


class ConvNorm(nn.Module):
    """A convolution with SAME padding, batch normalisation and, unless `linear`, the activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int] = (1, 1, 1),
        stride: tuple[int, int, int] = (1, 1, 1),
        *,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        time, height, width = kernel
        self.pads = max(stride) > 1  # with stride 1 the padding is the same at both ends
        padding = (0, 0, 0) if self.pads else (time // 2, height // 2, width // 2)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm3d(outputs, EPSILON)
        self.linear = linear

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H', W')."""
        if self.pads:
            values = pad_same(values, self.conv.kernel_size, self.conv.stride)
        normed: Tensor = self.norm(self.conv(values))
        return normed if self.linear else F.silu(normed)


class Gate(nn.Module):
    """Squeeze and excitation: each channel times a factor computed from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv3d(channels, divisible(channels // 4), 1)
        self.fc2 = nn.Conv3d(self.fc1.out_channels, channels, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Gate (N, C, T, H, W)."""
        means = values.mean(dim=(2, 3, 4), keepdim=True)
        return values * torch.sigmoid(self.fc2(F.silu(self.fc1(means))))


class Mean(nn.Module):
    """The mean over time and space."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C)."""
        return F.adaptive_avg_pool3d(values, 1).flatten(1)


@dataclass(frozen=True)
class MoViNetParts:
    """The layers that base and stream networks build differently.

    convolution  of inputs, outputs, kernel and stride; with `groups`, and `linear` without activation
    gate         of channels: squeeze and excitation
    mean         over time and space
    """

    convolution: Callable[..., nn.Module]
    gate: Callable[[int], nn.Module]
    mean: Callable[[], nn.Module]


BASE = MoViNetParts(ConvNorm, Gate, Mean)


class Block(StreamLayer):
    """An inverted bottleneck with a residual connection."""

    def __init__(
        self,
        inputs: int,
        expanded: int,
        outputs: int,
        kernel: tuple[int, int, int],
        stride: int,
        parts: MoViNetParts = BASE,
    ) -> None:
        super().__init__()
        convolution = parts.convolution
        self.expand = convolution(inputs, expanded)
        self.deep = convolution(expanded, expanded, kernel, (1, stride, stride), groups=expanded)
        self.se = parts.gate(expanded)
        self.project = convolution(expanded, outputs, linear=True)
        self.halved = stride == 2
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2 or inputs != outputs:
            self.shortcut = convolution(inputs, outputs, linear=True)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, values: Tensor, *stream: Stream) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H', W'); only a stream network has a `stream`."""
        shortcut = self.shortcut(halve(values) if self.halved else values)
        gated = self.se(self.deep(self.expand(values), *stream), *stream)
        added: Tensor = shortcut + self.alpha * self.project(gated)
        return added


def halve(values: Tensor) -> Tensor:
    """3 x 3 average pooling with stride 2 of (N, C, T, H, W); the padding, TensorFlow's SAME, does not count."""
    sizes = [int(size) for size in values.shape[3:]]  # ints also while a network is traced
    window = [min(3, size) for size in sizes]
    # Odd sizes are padded at both ends; even ones only after the last pixel, which is what `ceil_mode` does.
    before = [size % 2 if size > 1 else 0 for size in sizes]
    return F.avg_pool3d(values, (1, *window), (1, 2, 2), (0, *before), ceil_mode=True, count_include_pad=False)


def divisible(channels: int) -> int:
    """The nearest multiple of 8, at least 8 and at least nine tenths of `channels`."""
    nearest = max(8, (channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def published(variant: str) -> MoViNetConfig:
    """The published configuration of a size: frames, height, width and dropout."""
    size = VARIANTS[variant].size
    return MoViNetConfig(
        variant=variant,
        frames=10 * VARIANTS[variant].fps,
        height=size,
        width=size,
        dropout=VARIANTS[variant].dropout,
    )


def kinetics_600(percent: float) -> Accuracy:
    """An accuracy published by the authors."""
    source = "https://github.com/tensorflow/models/tree/master/official/projects/movinet"
    return Accuracy(percent, "Kinetics-600", source)


@register_clip_model(
    "movinet-a0", published("a0"), parameters=3_111_799, classes=600, gflops=5.26, accuracy=kinetics_600(72.28)
)
@register_clip_model(
    "movinet-a1", published("a1"), parameters=4_690_296, classes=600, gflops=11.73, accuracy=kinetics_600(76.69)
)
@register_clip_model(
    "movinet-a2", published("a2"), parameters=5_249_562, classes=600, gflops=23.12, accuracy=kinetics_600(78.62)
)
@register_clip_model(
    "movinet-a3", published("a3"), parameters=7_397_545, classes=600, gflops=111.19, accuracy=kinetics_600(81.79)
)
@register_clip_model(
    "movinet-a4", published("a4"), parameters=11_349_463, classes=600, gflops=206.68, accuracy=kinetics_600(83.48)
)
@register_clip_model(
    "movinet-a5", published("a5"), parameters=18_650_523, classes=600, gflops=552.67, accuracy=kinetics_600(84.27)
)
class MoViNet(ClipModel):
    """A convolution, five groups of blocks, another convolution, the mean over time and space, and a dense layer."""

    def __init__(self, *, num_classes: int, config: MoViNetConfig) -> None:
        variant, parts = VARIANTS[config.variant], self.parts(config)
        outputs = config.channels(variant.channels[0])
        stages: dict[str, nn.Module] = {"conv1": parts.convolution(3, outputs, (1, 3, 3), (1, 2, 2))}
        for group, (channels, rows) in enumerate(zip(variant.channels, variant.blocks, strict=True)):
            blocks = []
            for number, row in enumerate(rows.split()):
                kernel, expanded = row.split(":")
                time, height, width = map(int, kernel)
                inputs, outputs = outputs, config.channels(channels)
                stride = 2 if number == 0 and group != 3 else 1
                hidden = config.channels(int(expanded))
                blocks.append(Block(inputs, hidden, outputs, (time, height, width), stride, parts))
            stages[f"b{group}"] = Chain(*blocks)
        last, hidden = config.channels(variant.last), config.channels(HIDDEN)
        # The mean has nothing to train, so it belongs to the convolution and is not a stage of its own.
        stages["conv7"] = Chain(parts.convolution(outputs, last), parts.mean())
        stages["dense"] = nn.Sequential(nn.Linear(last, hidden), nn.SiLU())
        super().__init__(config=config, stages=stages, feature_dim=hidden, num_classes=num_classes)
        self.layouts: tuple[Layout, ...] = published_layouts(config.variant)
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)

    @classmethod
    def parts(cls, config: MoViNetConfig) -> MoViNetParts:
        """The layers of the network."""
        return BASE
