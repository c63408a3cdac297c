"""FAST 3D convolutions: a 3 x 3 x 3 as a look at the picture and two along time, one over each of its directions.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 512). N clips, T frames, K classes.

Source: arXiv:1909.13474, whose authors published no code: the convolution is as its abstract tells it, hw 1 x 3 x 3,
then tw 3 x 1 x 3 (horizontal motion), then th 3 x 3 x 1 (vertical motion), each with batch normalisation and ReLU; in
the variant the two look at the same, side by side, and are added. Over equal channels it has a 3 x 3 x 3's parameters.
The network is ours: ResNet-18's four layers made of it, as R3D-18 is of 3 x 3 x 3. 36,483,408
parameters with 400 classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from classifiers.clip_models.base import ClipModel, register_clip_model
from classifiers.clip_models.config import ClipConfig
from schemas.clips import KINETICS, ClipFormat

STEM_CHANNELS = 64
ORDERS = ("hw-tw-th", "hw-th-tw", "split")


@dataclass(frozen=True, kw_only=True)
class Fast3DConfig(ClipConfig):
    """Blocks of the four layers, and the order of each convolution's parts: `split` is side by side."""

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    order: str = "hw-tw-th"

    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"order": ORDERS}

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        if not self.blocks:
            raise ValueError("blocks is empty: the number of blocks of each layer is wanted")

    def clip_format(self) -> ClipFormat:
        """See `ClipConfig.clip_format`: as R3D-18's, there being no published weights."""
        resize = (self.height * 128 // 112, self.width * 171 // 112)
        return ClipFormat(frames=self.frames, height=self.height, width=self.width, resize=resize, fps="15", **KINETICS)


class Part(nn.Module):
    """One convolution, batch normalisation and, unless it is to be linear, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
        *,
        linear: bool = False,
    ) -> None:
        super().__init__()
        time, height, width = kernel
        padding = (time // 2, height // 2, width // 2)
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm3d(outputs)
        self.linear = linear

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to as many outputs, with the stride taken."""
        normed: Tensor = self.bn(self.conv(values))
        return normed if self.linear else F.relu(normed)


class FastConv(nn.Module):
    """What stands for a 3 x 3 x 3 convolution. `linear` leaves out what would be its last ReLU."""

    def __init__(self, inputs: int, outputs: int, *, order: str, stride: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.order = order
        # Time is strided by whatever looks along it first; the last to look is linear. Side by side, both are both.
        along = (stride, 1, 1)
        tw_first, th_first = order != "hw-th-tw", order != "hw-tw-th"
        tw_last, th_last = order != "hw-tw-th", order != "hw-th-tw"
        self.hw = Part(inputs, outputs, (1, 3, 3), (1, stride, stride))
        self.tw = Part(outputs, outputs, (3, 1, 3), along if tw_first else (1, 1, 1), linear=linear and tw_last)
        self.th = Part(outputs, outputs, (3, 3, 1), along if th_first else (1, 1, 1), linear=linear and th_last)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to as many outputs, with strides taken."""
        seen = self.hw(values)
        moved: Tensor
        if self.order == "split":
            moved = self.tw(seen) + self.th(seen)
        else:
            moved = self.th(self.tw(seen)) if self.order == "hw-tw-th" else self.tw(self.th(seen))
        return moved


class FastBlock(nn.Module):
    """Two convolutions and what came in."""

    def __init__(self, inputs: int, outputs: int, *, order: str, stride: int) -> None:
        super().__init__()
        self.conv1 = FastConv(inputs, outputs, order=order, stride=stride)
        self.conv2 = FastConv(outputs, outputs, order=order, linear=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = Part(inputs, outputs, (1, 1, 1), (stride, stride, stride), linear=True)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to as many outputs, with strides taken."""
        return F.relu(self.conv2(self.conv1(values)) + self.shortcut(values))


@register_clip_model("fast3d-18", Fast3DConfig(), parameters=36_483_408, classes=400, gflops=86.25)
class Fast3D(ClipModel):
    """A stem, layers of residual blocks that each double the channels, and the mean over time and space."""

    def __init__(self, *, num_classes: int, config: Fast3DConfig) -> None:
        outputs = config.channels(STEM_CHANNELS)
        stages: dict[str, nn.Module] = {"stem": Part(3, outputs, (3, 7, 7), (1, 2, 2))}
        for layer, blocks in enumerate(config.blocks):
            modules: list[nn.Module] = []
            for block in range(blocks):
                inputs, outputs = outputs, config.channels(STEM_CHANNELS * 2**layer)
                stride = 2 if block == 0 and layer > 0 else 1
                modules.append(FastBlock(inputs, outputs, order=config.order, stride=stride))
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
