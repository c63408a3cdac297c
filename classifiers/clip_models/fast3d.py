"""FAST 3D convolutions: a 3 x 3 x 3 convolution factorised into space, horizontal motion and vertical motion.

In: clips, uint8 (N, T, H, W, 3). Out: logits (N, K); features (N, 512). N clips, T frames, K classes.

Source: arXiv:1909.13474, without published code: the convolution follows the abstract, hw 1 x 3 x 3, then tw 3 x 1 x 3
(horizontal motion), then th 3 x 3 x 1 (vertical motion), each with batch normalisation and ReLU; in the variant
`split`, tw and th take the same input in parallel and are added. With equal channels it has as many parameters as a
3 x 3 x 3 convolution. The network is our own: the four layers of ResNet-18 with this convolution, as R3D-18 is with
3 x 3 x 3. 36,483,408 parameters with 400 classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import register_clip_model
from classifiers.clip_models.config import ClipConfig
from classifiers.clip_models.residual import STEM_CHANNELS, ResidualClipModel
from schemas.clips import KINETICS, ClipFormat

ORDERS = ("hw-tw-th", "hw-th-tw", "split")


@dataclass(frozen=True, kw_only=True)
class Fast3DConfig(ClipConfig):
    """Blocks of each layer, and the order of the parts of a convolution; `split` is parallel."""

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    order: str = "hw-tw-th"

    at_least: ClassVar[Mapping[str, int]] = {"blocks": 1}
    choices: ClassVar[Mapping[str, Collection[str]]] = {"order": ORDERS}

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not self.blocks:
            raise ValueError("blocks is empty; it must have the number of blocks of each layer")

    @override
    def clip_format(self) -> ClipFormat:
        # As for R3D-18, since there are no published weights.
        resize = (self.height * 128 // 112, self.width * 171 // 112)
        return self.make_format(resize=resize, fps="15", pixels=KINETICS)


class Part(nn.Module):
    """Convolution, batch normalisation and, unless `linear`, ReLU."""

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
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        normed: Tensor = self.bn(self.conv(values))
        return normed if self.linear else F.relu(normed)


class FastConv(nn.Module):
    """The factorised convolution. If `linear`, without the last ReLU."""

    def __init__(self, inputs: int, outputs: int, *, order: str, stride: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.order = order
        # The first of tw and th has the stride in time, the last is the linear one. In parallel, both are both.
        time_stride = (stride, 1, 1)
        tw_first, th_first = order != "hw-th-tw", order != "hw-tw-th"
        tw_last, th_last = order != "hw-tw-th", order != "hw-th-tw"
        self.hw = Part(inputs, outputs, (1, 3, 3), (1, stride, stride))
        self.tw = Part(outputs, outputs, (3, 1, 3), time_stride if tw_first else (1, 1, 1), linear=linear and tw_last)
        self.th = Part(outputs, outputs, (3, 3, 1), time_stride if th_first else (1, 1, 1), linear=linear and th_last)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        space = self.hw(values)
        motion: Tensor
        if self.order == "split":
            motion = self.tw(space) + self.th(space)
        else:
            motion = self.th(self.tw(space)) if self.order == "hw-tw-th" else self.tw(self.th(space))
        return motion


class FastBlock(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, inputs: int, outputs: int, *, order: str, stride: int) -> None:
        super().__init__()
        self.conv1 = FastConv(inputs, outputs, order=order, stride=stride)
        self.conv2 = FastConv(outputs, outputs, order=order, linear=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = Part(inputs, outputs, (1, 1, 1), (stride, stride, stride), linear=True)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, T, H, W) to (N, C', T', H', W')."""
        return F.relu(self.conv2(self.conv1(values)) + self.shortcut(values))


@register_clip_model("fast3d-18", Fast3DConfig(), parameters=36_483_408, classes=400, gflops=86.25)
class Fast3D(ResidualClipModel):
    """ResNet-18 with FAST 3D convolutions."""

    def __init__(self, *, num_classes: int, config: Fast3DConfig) -> None:
        def make_block(inputs: int, outputs: int, *, layer: int, stride: int) -> nn.Module:
            return FastBlock(inputs, outputs, order=config.order, stride=stride)

        stem = Part(3, config.channels(STEM_CHANNELS), (3, 7, 7), (1, 2, 2))
        super().__init__(config=config, num_classes=num_classes, stem=stem, blocks=config.blocks, make_block=make_block)
