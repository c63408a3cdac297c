"""Residual networks over clips: R3D-18, MC3-18 and R(2+1)D-18/34.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 512). N clips, T frames, K classes.

Source: arXiv:1711.11248 and torchvision's `models/video/resnet.py`, with the same parameters and keys: 33,371,472 /
11,695,440 / 31,505,325 with 400 classes. Four layers of residual blocks halve height and width. The convolutions of a
block differ in time:

    3d     3 x 3 x 3; strides halve time as well
    2d     1 x 3 x 3; time is unchanged
    2+1d   1 x 3 x 3, then 3 x 1 x 1 with M channels in between, so that the pair has the parameters of a 3 x 3 x 3

R(2+1)D-34 is the network of the public IG-65M weights (VMZ's, published by moabitcoin/ig65m-pytorch), 63,697,175
parameters: M is computed for each convolution of a block, where torchvision uses that of the first for both, and the
epsilon of batch normalisation is 1e-3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import Accuracy, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.residual import STEM_CHANNELS, ResidualClipModel
from classifiers.published_layout import Layout
from schemas.clips import KINETICS, ClipFormat

STEM_MIDDLE = 45  # of the (2+1)D stem

LAYOUTS = (Layout(name="torchvision", rename=((r"^(stem|layer\d)\.", r"trunk.\1."), (r"^fc\.", "head."))),)


@dataclass(frozen=True, kw_only=True)
class VideoResNetConfig(ClipConfig):
    """Blocks and convolutions of each layer, whether M is computed per convolution, epsilon, frames per second."""

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    convolutions: tuple[str, ...] = ("3d", "3d", "3d", "3d")
    own_middle: bool = False
    epsilon: float = 1e-5
    fps: str | None = "15"

    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"convolutions": ("3d", "2d", "2+1d")}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not self.blocks or len(self.blocks) != len(self.convolutions):
            raise ValueError(f"blocks are {self.blocks}, convolutions {self.convolutions}; need one of each per layer")

    @override
    def clip_format(self) -> ClipFormat:
        resize = (self.height * 128 // 112, self.width * 171 // 112)
        return self.make_format(resize=resize, fps=self.fps, pixels=KINETICS)


def convolution(kind: str, inputs: int, outputs: int, *, middle: int, stride: int, epsilon: float) -> nn.Module:
    """A convolution of a block with kernel size 3 in the directions of its kind; `middle` is M of 2+1d."""
    if kind == "3d":
        return nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)
    space = nn.Conv3d(
        inputs, middle if kind == "2+1d" else outputs, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False
    )
    if kind == "2d":
        return space
    time = nn.Conv3d(middle, outputs, (3, 1, 1), (stride, 1, 1), padding=(1, 0, 0), bias=False)
    return nn.Sequential(space, nn.BatchNorm3d(middle, epsilon), nn.ReLU(inplace=True), time)


def middle_channels(inputs: int, outputs: int) -> int:
    """M, for which the (2+1)D pair has the parameters of a 3 x 3 x 3 convolution."""
    return max(1, inputs * outputs * 27 // (inputs * 9 + outputs * 3))


class BasicBlock(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, inputs: int, outputs: int, *, kind: str, stride: int, own_middle: bool, epsilon: float) -> None:
        super().__init__()
        middle = middle_channels(inputs, outputs)
        second_middle = middle_channels(outputs, outputs) if own_middle else middle
        self.conv1 = nn.Sequential(
            convolution(kind, inputs, outputs, middle=middle, stride=stride, epsilon=epsilon),
            nn.BatchNorm3d(outputs, epsilon),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(
            convolution(kind, outputs, outputs, middle=second_middle, stride=1, epsilon=epsilon),
            nn.BatchNorm3d(outputs, epsilon),
        )
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            strides = (1 if kind == "2d" else stride, stride, stride)
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, strides, bias=False), nn.BatchNorm3d(outputs, epsilon)
            )

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        return F.relu(self.conv2(self.conv1(values)) + self.downsample(values))


def make_stem(kind: str, outputs: int, *, middle: int, epsilon: float) -> nn.Sequential:
    """A 3 x 7 x 7 convolution that halves height and width; `middle` is M of 2+1d."""
    layers: list[nn.Module] = []
    if kind == "2+1d":
        layers += [
            nn.Conv3d(3, middle, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(middle, epsilon),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, outputs, (3, 1, 1), padding=(1, 0, 0), bias=False),
        ]
    else:
        layers += [nn.Conv3d(3, outputs, (3, 7, 7), (1, 2, 2), padding=(1, 3, 3), bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm3d(outputs, epsilon), nn.ReLU(inplace=True))


R2PLUS1D = ("2+1d",) * 4
TORCHVISION = "https://pytorch.org/vision/stable/models/video_resnet.html"
VMZ = "https://github.com/facebookresearch/VMZ/blob/main/c2/tutorials/model_zoo.md"


R3D_18 = VideoResNetConfig()
MC3_18 = VideoResNetConfig(convolutions=("3d", "2d", "2d", "2d"))
R2PLUS1D_18 = VideoResNetConfig(convolutions=R2PLUS1D)
R2PLUS1D_34 = VideoResNetConfig(
    blocks=(3, 4, 6, 3), convolutions=R2PLUS1D, own_middle=True, epsilon=1e-3, frames=32, fps=None
)


def published(percent: float) -> Accuracy:
    """An accuracy that torchvision publishes."""
    return Accuracy(percent, "Kinetics-400", TORCHVISION)


IG_65M = Accuracy(80.0, "Kinetics-400, after IG-65M", VMZ)


@register_clip_model("r3d-18", R3D_18, parameters=33_371_472, classes=400, gflops=81.39, accuracy=published(63.2))
@register_clip_model("mc3-18", MC3_18, parameters=11_695_440, classes=400, gflops=86.69, accuracy=published(63.96))
@register_clip_model(
    "r2plus1d-18", R2PLUS1D_18, parameters=31_505_325, classes=400, gflops=81.04, accuracy=published(67.463)
)
@register_clip_model("r2plus1d-34", R2PLUS1D_34, parameters=63_697_175, classes=400, gflops=304.7, accuracy=IG_65M)
class VideoResNet(ResidualClipModel):
    """ResNet with 3D, 2D or (2+1)D convolutions in each layer."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: VideoResNetConfig) -> None:
        kinds, epsilon = config.convolutions, config.epsilon

        def make_block(inputs: int, outputs: int, *, layer: int, stride: int) -> nn.Module:
            return BasicBlock(
                inputs, outputs, kind=kinds[layer], stride=stride, own_middle=config.own_middle, epsilon=epsilon
            )

        stem_channels, middle = config.channels(STEM_CHANNELS), config.channels(STEM_MIDDLE)
        super().__init__(
            config=config,
            num_classes=num_classes,
            stem=make_stem(kinds[0], stem_channels, middle=middle, epsilon=epsilon),
            blocks=config.blocks,
            make_block=make_block,
        )
