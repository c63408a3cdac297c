"""Residual networks over clips: R3D-18, MC3-18 and R(2+1)D-18/34.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 512). N clips, T frames, K classes.

Source: arXiv:1711.11248 and torchvision's `models/video/resnet.py`, whose parameters and keys these have: 33,371,472 /
11,695,440 / 31,505,325 with 400 classes. Four layers of residual blocks halve height and width; what differs is how a
block looks along time:

    3d     3 x 3 x 3; strides halve time, too
    2d     1 x 3 x 3; time is left as it is
    2+1d   1 x 3 x 3, then 3 x 1 x 1 over M channels between, so that both together have the parameters of a 3 x 3 x 3

R(2+1)D-34 is the network of the public IG-65M weights (VMZ's, as moabitcoin/ig65m-pytorch publishes them), 63,697,175
parameters: M belongs to each convolution of a block, where torchvision takes the first one's for both, and batch
normalisation's epsilon is 1e-3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.clip_models.base import Accuracy, ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.published_layout import Layout
from schemas.clips import KINETICS, ClipFormat

STEM_CHANNELS = 64
STEM_MIDDLE = 45  # of the (2+1)D stem

LAYOUTS = (Layout(name="torchvision", rename=((r"^(stem|layer\d)\.", r"trunk.\1."), (r"^fc\.", "head."))),)


@dataclass(frozen=True, kw_only=True)
class VideoResNetConfig(ClipConfig):
    """Blocks and convolutions of each layer, whether M is each convolution's own, epsilon, frames a second."""

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    convolutions: tuple[str, ...] = ("3d", "3d", "3d", "3d")
    own_middle: bool = False
    epsilon: float = 1e-5
    fps: str | None = "15"

    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"convolutions": ("3d", "2d", "2+1d")}

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        if not self.blocks or len(self.blocks) != len(self.convolutions):
            raise ValueError(
                f"blocks are {self.blocks}, convolutions {self.convolutions}: one of each a layer is wanted"
            )

    def clip_format(self) -> ClipFormat:
        """See `ClipConfig.clip_format`."""
        resize = (self.height * 128 // 112, self.width * 171 // 112)
        return ClipFormat(
            frames=self.frames, height=self.height, width=self.width, resize=resize, fps=self.fps, **KINETICS
        )


def convolution(kind: str, inputs: int, outputs: int, *, middle: int, stride: int, epsilon: float) -> nn.Module:
    """One convolution of a block, 3 wide in every direction that its kind sees; `middle` is M of 2+1d."""
    if kind == "3d":
        return nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)
    across = nn.Conv3d(
        inputs, middle if kind == "2+1d" else outputs, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False
    )
    if kind == "2d":
        return across
    along = nn.Conv3d(middle, outputs, (3, 1, 1), (stride, 1, 1), padding=(1, 0, 0), bias=False)
    return nn.Sequential(across, nn.BatchNorm3d(middle, epsilon), nn.ReLU(inplace=True), along)


def middle_channels(inputs: int, outputs: int) -> int:
    """M: as many as give the (2+1)D pair the parameters of a 3 x 3 x 3 convolution."""
    return max(1, inputs * outputs * 27 // (inputs * 9 + outputs * 3))


class BasicBlock(nn.Module):
    """Two convolutions and what came in."""

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
        """(N, C, T, H, W) to as many outputs, with strides taken."""
        return F.relu(self.conv2(self.conv1(values)) + self.downsample(values))


def make_stem(kind: str, outputs: int, *, middle: int, epsilon: float) -> nn.Sequential:
    """A look 7 high and wide and 3 frames long, which halves height and width; `middle` is M of 2+1d."""
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


@register_clip_model(
    "r3d-18",
    VideoResNetConfig(),
    parameters=33_371_472,
    classes=400,
    gflops=81.39,
    accuracy=Accuracy(63.2, "Kinetics-400", TORCHVISION),
)
@register_clip_model(
    "mc3-18",
    VideoResNetConfig(convolutions=("3d", "2d", "2d", "2d")),
    parameters=11_695_440,
    classes=400,
    gflops=86.69,
    accuracy=Accuracy(63.96, "Kinetics-400", TORCHVISION),
)
@register_clip_model(
    "r2plus1d-18",
    VideoResNetConfig(convolutions=R2PLUS1D),
    parameters=31_505_325,
    classes=400,
    gflops=81.04,
    accuracy=Accuracy(67.463, "Kinetics-400", TORCHVISION),
)
@register_clip_model(
    "r2plus1d-34",
    VideoResNetConfig(blocks=(3, 4, 6, 3), convolutions=R2PLUS1D, own_middle=True, epsilon=1e-3, frames=32, fps=None),
    parameters=63_697_175,
    classes=400,
    gflops=304.7,
    accuracy=Accuracy(80.0, "Kinetics-400, after IG-65M", VMZ),
)
class VideoResNet(ClipModel):
    """A stem, layers of residual blocks that each double the channels, and the mean over time and space."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: VideoResNetConfig) -> None:
        epsilon = config.epsilon
        outputs = config.channels(STEM_CHANNELS)
        stem = make_stem(config.convolutions[0], outputs, middle=config.channels(STEM_MIDDLE), epsilon=epsilon)
        stages: dict[str, nn.Module] = {"stem": stem}
        for layer, (blocks, kind) in enumerate(zip(config.blocks, config.convolutions, strict=True)):
            modules: list[nn.Module] = []
            for block in range(blocks):
                inputs, outputs = outputs, config.channels(STEM_CHANNELS * 2**layer)
                stride = 2 if block == 0 and layer > 0 else 1
                modules.append(
                    BasicBlock(inputs, outputs, kind=kind, stride=stride, own_middle=config.own_middle, epsilon=epsilon)
                )
            if layer == len(config.blocks) - 1:
                # The mean belongs to the last layer: it has nothing to train, so it is no stage of its own.
                modules += [nn.AdaptiveAvgPool3d(1), nn.Flatten()]
            stages[f"layer{layer + 1}"] = nn.Sequential(*modules)
        super().__init__(
            stages=stages,
            clip_format=config.clip_format(),
            feature_dim=outputs,
            num_classes=num_classes,
            dropout=config.dropout,
        )
        self.config = config
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
