"""MoViNet A0 to A5, stream variants: mobile networks that watch a video frame by frame.

In: clips, uint8 (N, T, H, W, 3), or frames and a state (`streaming`). Out: logits (N, K), or (N, T, K) of all frames.

Source: arXiv:2103.11511, sections 3.2 and 3.3; layers, names and constants are those of tensorflow/models
`official/projects/movinet` (`2plus1d`, `2plus3d`) and of its PyTorch port. 3,748,031 / 6,447,352 / 7,326,962 /
10,986,618 / 18,136,182 / 31,495,934 parameters with 600 classes. The blocks are those of the base networks (`movinet`):

    convolution   in space, then over the frame and those before it, each with normalisation and x relu6(x + 3) / 6
    gate          from the mean of all frames so far beside that of the frame; A3 to A5 add the frame's number
    mean          of all frames so far

The gates' sigmoid is piecewise linear. In the checkpoints published on TensorFlow Hub it is 0.2 x + 0.5, clipped, as in
Keras 2; today's tensorflow/models has relu6(x + 3) * 0.16667, option gate=relu6.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.clip_models.base import register_clip_model
from classifiers.clip_models.movinet import (
    EPSILON,
    MoViNet,
    MoViNetConfig,
    MoViNetParts,
    divisible,
    kinetics_600,
    published,
)
from classifiers.clip_models.movinet_variants import VARIANTS
from classifiers.clip_models.streaming import StreamModel
from classifiers.layers.fused_conv import FusibleConv
from classifiers.layers.same_padding import pad_same
from classifiers.layers.stream import CumulativeMean, FrameBuffer, FramePosition, Stream, StreamLayer, wide

Sigmoid = Callable[[Tensor], Tensor]


def hard_sigmoid(values: Tensor) -> Tensor:
    """That of Keras 2."""
    return (0.2 * values + 0.5).clamp(0, 1)


def relu6_sigmoid(values: Tensor) -> Tensor:
    """That of tensorflow/models."""
    return F.relu6(values + 3) * 0.16667


SIGMOIDS: Mapping[str, Sigmoid] = {"hard-sigmoid": hard_sigmoid, "relu6": relu6_sigmoid}


@dataclass(frozen=True, kw_only=True)
class MoViNetStreamConfig(MoViNetConfig):
    """The published size, and the sigmoid of the gates, one of `SIGMOIDS`."""

    gate: str = "hard-sigmoid"

    choices: ClassVar[Mapping[str, Collection[str]]] = {**MoViNetConfig.choices, "gate": SIGMOIDS}


class FrameConv(FusibleConv, StreamLayer):
    """A convolution of each frame and, if the kernel is longer, one over frames; each is normalised and activated."""

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
        self.pads = max(stride) > 1  # with stride 1 the padding is the same at both ends
        padding = (0, 0) if self.pads else (kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel[1:], stride[1:], padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, EPSILON)
        self.activate = nn.Identity() if linear else nn.Hardswish()
        self.time = CausalConv(outputs, kernel[0]) if kernel[0] > 1 else None

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, C, T, H, W) to (N, C', T, H', W')."""
        channels, height, width = (int(values.shape[dim]) for dim in (1, 3, 4))  # ints also while it is traced
        each = values.transpose(1, 2).reshape(-1, channels, height, width)  # (N T, C, H, W)
        each = each.contiguous(memory_format=torch.channels_last)
        each = self.convolve(pad_same(each, self.conv.kernel_size, self.conv.stride) if self.pads else each)
        convolved: Tensor = each.view(values.shape[0], -1, *map(int, each.shape[1:])).transpose(1, 2)
        if self.time is not None:
            convolved = self.time(convolved, stream)
        return convolved


class CausalConv(FusibleConv, StreamLayer):
    """A depthwise convolution of each frame with those before it, normalised and activated."""

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (length, 1), groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels, EPSILON)
        self.activate = nn.Hardswish()
        self.buffer = FrameBuffer(length - 1)

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, C, T, H, W) to the same."""
        channels, height, width = (int(values.shape[dim]) for dim in (1, 3, 4))  # ints also while it is traced
        frames = self.buffer(values.permute(0, 2, 3, 4, 1), stream)  # (N, length - 1 + T, H, W, C)
        pixels = frames.view(values.shape[0], -1, height * width, channels)  # (N, length - 1 + T, H W, C)
        pixels = pixels.permute(0, 3, 1, 2)  # (N, C, length - 1 + T, H W), in memory channels last
        return self.convolve(pixels).view(values.shape[0], channels, -1, height, width)


class CausalGate(StreamLayer):
    """Squeeze and excitation of each frame, from its own mean and that of all frames so far."""

    def __init__(self, channels: int, *, sigmoid: Sigmoid, with_position: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2 * channels, divisible(channels // 2))
        self.fc2 = nn.Linear(self.fc1.out_features, channels)
        self.mean = CumulativeMean()
        self.position = FramePosition(2 * channels) if with_position else None
        self.sigmoid = sigmoid

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """Gate (N, C, T, H, W)."""
        now = frame_means(values)  # (N, T, C)
        means = torch.cat([self.mean(now, stream), now], dim=2)  # (N, T, 2 C)
        if self.position is not None:
            means = self.position(means, stream)
        factors = self.sigmoid(self.fc2(F.hardswish(self.fc1(means))))  # (N, T, C)
        return values * factors.transpose(1, 2)[..., None, None]


class StreamMean(StreamLayer):
    """The mean of space and of all frames so far."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = CumulativeMean()

    def forward(self, values: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, C, T, H, W) to (N, C) of whole clips, of a stream (N, T, C)."""
        now = frame_means(values)  # (N, T, C)
        return now.mean(dim=1) if stream is None else self.mean(now, stream)


def frame_means(values: Tensor) -> Tensor:
    """The mean over space, (N, C, T, H, W) to float32 or wider (N, T, C)."""
    dtype = wide(values.dtype)
    # Named only where it changes anything: LiteRT's converter knows no mean of another type.
    return values.mean(dim=(3, 4), dtype=None if dtype == values.dtype else dtype).transpose(1, 2)


def stream_of(variant: str) -> MoViNetStreamConfig:
    """The published configuration of a size."""
    return MoViNetStreamConfig(**asdict(published(variant)))


@register_clip_model(
    "movinet-a0-stream", stream_of("a0"), parameters=3_748_031, classes=600, gflops=4.85, accuracy=kinetics_600(72.05)
)
@register_clip_model(
    "movinet-a1-stream",
    replace(stream_of("a1"), dropout=0.2),
    parameters=6_447_352,
    classes=600,
    gflops=11.08,
    accuracy=kinetics_600(76.45),
)
@register_clip_model(
    "movinet-a2-stream", stream_of("a2"), parameters=7_326_962, classes=600, gflops=21.40, accuracy=kinetics_600(78.40)
)
@register_clip_model(
    "movinet-a3-stream",
    stream_of("a3"),
    parameters=10_986_618,
    classes=600,
    gflops=104.27,
    accuracy=kinetics_600(80.09),
)
@register_clip_model(
    "movinet-a4-stream",
    stream_of("a4"),
    parameters=18_136_182,
    classes=600,
    gflops=193.48,
    accuracy=kinetics_600(81.49),
)
@register_clip_model(
    "movinet-a5-stream",
    stream_of("a5"),
    parameters=31_495_934,
    classes=600,
    gflops=523.42,
    accuracy=kinetics_600(82.37),
)
class MoViNetStream(MoViNet, StreamModel):
    """The base network, causal."""

    @classmethod
    @override
    def parts(cls, config: MoViNetConfig) -> MoViNetParts:
        assert isinstance(config, MoViNetStreamConfig)
        with_position = VARIANTS[config.variant].has_stream_positions
        gate = partial(CausalGate, sigmoid=SIGMOIDS[config.gate], with_position=with_position)
        return MoViNetParts(FrameConv, gate, StreamMean)

    @override
    def base(self) -> MoViNet:
        shared = {field.name: getattr(self.config, field.name) for field in fields(MoViNetConfig)}
        with torch.device("meta"):
            return MoViNet(num_classes=self.num_classes, config=MoViNetConfig(**shared))
