"""Pseudo-3D residual networks: P3D-63, P3D-131 and P3D-199.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 2048). N clips, T frames, K classes.

Source: arXiv:1711.10305 and qijiezhao/pseudo-3d-pytorch, with the same parameters and keys: 25,745,232 / 48,088,400 /
66,492,240 with 400 classes. Bottlenecks of ResNet-50/101/152 whose 3 x 3 convolution is replaced by S, 1 x 3 x 3, and
T, 3 x 1 x 1, each with batch normalisation and ReLU. The blocks of the first three layers alternate between the kinds
in `kinds`. All kinds have the same keys, so a checkpoint does not identify them:

    A  T(S(x))
    B  S(x) + T(x)
    C  S(x) + T(S(x))

The number of frames is halved after the stem and each of these layers: 16 become 1, an image for the last layer. With
longer clips, on which the source fails, the last layer processes each frame separately and the frames are averaged;
with shorter ones, halving stops at one frame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import Accuracy, register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.residual import STEM_CHANNELS, ResidualClipModel
from classifiers.published_layout import Layout
from schemas.clips import IMAGENET, ClipFormat

EXPANSION = 4
KINDS = ("A", "B", "C")
ACCURACY = Accuracy(91.2, "UCF101, after Kinetics", "https://github.com/qijiezhao/pseudo-3d-pytorch")

# In the file, the kernels of the last layer have no time dimension; here its size is 1.
LAYOUTS = (
    Layout(
        name="pseudo-3d-pytorch",
        rename=(
            (r"^conv1_custom\.", "trunk.stem.conv."),
            (r"^bn1\.", "trunk.stem.norm."),
            (r"^(layer\d)\.", r"trunk.\1."),
            (r"^fc\.", "head."),
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class P3DConfig(ClipConfig):
    """Blocks of the four layers, and the kinds of block that alternate in the first three."""

    frames: int = 16
    height: int = 160
    width: int = 160
    dropout: float = 0.5
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    kinds: tuple[str, ...] = KINDS

    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"kinds": KINDS}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if len(self.blocks) != 4 or not self.kinds:
            raise ValueError(f"blocks are {self.blocks}, kinds {self.kinds}; need four numbers and at least one kind")

    @override
    def clip_format(self) -> ClipFormat:
        resize = (self.height * 182 // 160, self.width * 242 // 160)
        return self.make_format(resize=resize, fps=None, pixels=IMAGENET)


class Bottleneck(nn.Module):
    """1 x 1 x 1, then S and T by `kind` (for None a 3 x 3 on each frame), 1 x 1 x 1, with a residual connection."""

    def __init__(self, inputs: int, outputs: int, *, kind: str | None, stride: int) -> None:
        super().__init__()
        channels = outputs // EXPANSION
        strides = (1, stride, stride)
        self.kind = kind
        self.conv1 = nn.Conv3d(inputs, channels, 1, strides, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        if kind is None:
            self.conv_normal = nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
            self.bn_normal = nn.BatchNorm3d(channels)
        else:
            self.conv2 = nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
            self.bn2 = nn.BatchNorm3d(channels)
            self.conv3 = nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False)
            self.bn3 = nn.BatchNorm3d(channels)
        self.conv4 = nn.Conv3d(channels, outputs, 1, bias=False)
        self.bn4 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, strides, bias=False), nn.BatchNorm3d(outputs))

    def space(self, values: Tensor) -> Tensor:
        """The convolution S."""
        return F.relu(self.bn2(self.conv2(values)))

    def time(self, values: Tensor) -> Tensor:
        """The convolution T."""
        return F.relu(self.bn3(self.conv3(values)))

    def middle(self, values: Tensor) -> Tensor:
        """The layers between the two 1 x 1 x 1 convolutions."""
        if self.kind is None:
            return F.relu(self.bn_normal(self.conv_normal(values)))
        space = self.space(values)
        if self.kind == "A":
            return self.time(space)
        return space + self.time(values if self.kind == "B" else space)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H', W')."""
        inner = self.middle(F.relu(self.bn1(self.conv1(values))))
        return F.relu(self.bn4(self.conv4(inner)) + self.downsample(values))


class Stem(nn.Module):
    """A 7 x 7 convolution on each frame and max pooling, to a quarter of height and width and half of the frames."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, outputs, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, values: Tensor) -> Tensor:
        """(N, 3, T, H, W) to (N, C, T // 2, H // 4, W // 4), at least one frame."""
        convolved = F.relu(self.norm(self.conv(values)))
        frames = min(2, int(convolved.shape[2]))
        return F.max_pool3d(convolved, (frames, 3, 3), (frames, 2, 2), (0, 1, 1))


class HalveFrames(nn.Module):
    """The maximum of each two consecutive frames; a single frame is returned unchanged."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C, T // 2, H, W), at least one frame."""
        return F.max_pool3d(values, (min(2, int(values.shape[2])), 1, 1))


@register_clip_model("p3d-63", P3DConfig(), parameters=25_745_232, classes=400, gflops=16.88)
@register_clip_model("p3d-131", P3DConfig(blocks=(3, 4, 23, 3)), parameters=48_088_400, classes=400, gflops=25.8)
@register_clip_model(
    "p3d-199", P3DConfig(blocks=(3, 8, 36, 3)), parameters=66_492_240, classes=400, gflops=36.81, accuracy=ACCURACY
)
class P3D(ResidualClipModel):
    """A residual network of pseudo-3D bottlenecks."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: P3DConfig) -> None:
        kinds = cycle(config.kinds)

        def make_block(inputs: int, outputs: int, *, layer: int, stride: int) -> nn.Module:
            kind = None if layer == len(config.blocks) - 1 else next(kinds)
            return Bottleneck(inputs, outputs, kind=kind, stride=stride)

        super().__init__(
            config=config,
            num_classes=num_classes,
            stem=Stem(config.channels(STEM_CHANNELS)),
            blocks=config.blocks,
            make_block=make_block,
            expansion=EXPANSION,
            layer_pool=HalveFrames,
        )
