"""Pseudo-3D residual networks: P3D-63, P3D-131 and P3D-199.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 2048). N clips, T frames, K classes.

Source: arXiv:1711.10305 and qijiezhao/pseudo-3d-pytorch, whose parameters and keys these have: 25,745,232 /
48,088,400 / 66,492,240 with 400 classes. Bottlenecks of ResNet-50/101/152 whose 3 x 3 becomes S, 1 x 3 x 3, and T,
3 x 1 x 1, each with batch normalisation and ReLU. Blocks take turns over the first three layers, by the kinds in
`kinds`; all kinds have the same keys, so a checkpoint does not tell them:

    A  T(S(x))
    B  S(x) + T(x)
    C  S(x) + T(S(x))

Frames are halved behind the stem and each of these layers: 16 become 1, which the last layer looks at as a picture.
Longer clips, which the source garbles, are looked at frame by frame there and averaged; shorter ones stay at one frame.
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
from schemas.clips import IMAGENET, ClipFormat

STEM_CHANNELS = 64
EXPANSION = 4
KINDS = ("A", "B", "C")

# The last layer's kernels have no time in the file; here they are 1 frame long.
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
    """Blocks of the four layers, and the kinds that those of the first three take in turn."""

    frames: int = 16
    height: int = 160
    width: int = 160
    dropout: float = 0.5
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    kinds: tuple[str, ...] = KINDS

    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"kinds": KINDS}

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        if len(self.blocks) != 4 or not self.kinds:
            raise ValueError(
                f"blocks are {self.blocks}, kinds {self.kinds}: four numbers and at least a kind are wanted"
            )

    def clip_format(self) -> ClipFormat:
        """See `ClipConfig.clip_format`."""
        resize = (self.height * 182 // 160, self.width * 242 // 160)
        return ClipFormat(frames=self.frames, height=self.height, width=self.width, resize=resize, fps=None, **IMAGENET)


class Bottleneck(nn.Module):
    """1 x 1 x 1, S and T as the kind has them (a plain 3 x 3 of each frame for None), 1 x 1 x 1, and what came in."""

    def __init__(self, inputs: int, channels: int, *, kind: str | None, stride: int, project: bool) -> None:
        super().__init__()
        outputs = channels * EXPANSION
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
        if project:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, strides, bias=False), nn.BatchNorm3d(outputs))

    def across(self, values: Tensor) -> Tensor:
        """S."""
        return F.relu(self.bn2(self.conv2(values)))

    def along(self, values: Tensor) -> Tensor:
        """T."""
        return F.relu(self.bn3(self.conv3(values)))

    def middle(self, values: Tensor) -> Tensor:
        """What stands between the two 1 x 1 x 1."""
        if self.kind is None:
            return F.relu(self.bn_normal(self.conv_normal(values)))
        seen = self.across(values)
        if self.kind == "A":
            return self.along(seen)
        return seen + self.along(values if self.kind == "B" else seen)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to as many outputs, with the stride taken."""
        inside = self.middle(F.relu(self.bn1(self.conv1(values))))
        return F.relu(self.bn4(self.conv4(inside)) + self.downsample(values))


class Stem(nn.Module):
    """A look 7 high and wide at each frame, a quarter of height and width, and half of the frames."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, outputs, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, values: Tensor) -> Tensor:
        """(N, 3, T, H, W) to as many outputs."""
        seen = F.relu(self.norm(self.conv(values)))
        frames = min(2, seen.shape[2])
        return F.max_pool3d(seen, (frames, 3, 3), (frames, 2, 2), (0, 1, 1))


class HalfTheFrames(nn.Module):
    """The greater of each two frames; one frame stays one."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to T // 2 frames."""
        return F.max_pool3d(values, (min(2, values.shape[2]), 1, 1))


@register_clip_model("p3d-63", P3DConfig(), parameters=25_745_232, classes=400, gflops=16.88)
@register_clip_model("p3d-131", P3DConfig(blocks=(3, 4, 23, 3)), parameters=48_088_400, classes=400, gflops=25.8)
@register_clip_model(
    "p3d-199",
    P3DConfig(blocks=(3, 8, 36, 3)),
    parameters=66_492_240,
    classes=400,
    gflops=36.81,
    accuracy=Accuracy(91.2, "UCF101, after Kinetics", "https://github.com/qijiezhao/pseudo-3d-pytorch"),
)
class P3D(ClipModel):
    """A stem, four layers of bottlenecks that each double the channels, and the mean over time and space."""

    layouts = LAYOUTS

    def __init__(self, *, num_classes: int, config: P3DConfig) -> None:
        outputs = config.channels(STEM_CHANNELS)
        stages: dict[str, nn.Module] = {"stem": Stem(outputs)}
        number = 0  # of the block, over all layers
        for layer, blocks in enumerate(config.blocks):
            channels = config.channels(STEM_CHANNELS * 2**layer)
            flat = layer == len(config.blocks) - 1
            modules: list[nn.Module] = []
            for block in range(blocks):
                inputs, outputs = outputs, channels * EXPANSION
                modules.append(
                    Bottleneck(
                        inputs,
                        channels,
                        kind=None if flat else config.kinds[number % len(config.kinds)],
                        stride=2 if block == 0 and layer > 0 else 1,
                        project=block == 0,
                    )
                )
                number += 1
            # Neither of these has anything to train, so neither is a stage of its own.
            modules += [nn.AdaptiveAvgPool3d(1), nn.Flatten()] if flat else [HalfTheFrames()]
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
