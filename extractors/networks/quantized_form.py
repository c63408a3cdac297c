"""Inception quantised to 8-bit integers for CPUs with VNNI: twice the multiplications per second of bf16.

In: an `InceptionV3` in float32 with its weights. Out: a `QuantizedInception`, from float32 channels-last images
(B, 3, 299, 299) in [-1, 1] to pooled features, float32 (B, 2048). Dimensions as in `inception`.

Weights are int8 with a scale per output channel, activations uint8, sums int32 and therefore exact: a frame's result
cannot depend on its batch. No calibration images are needed: everything is derived from the weights, so every worker
builds the same network.

- The value of the level 255 is set per channel from the batch norm, which holds mean and deviation of the channel in
  training: `DEVIATIONS` deviations above the mean; larger values are clipped. The method is that of Nagel et al. 2019,
  "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721. A network whose batch
  norms do not describe its activations is refused.
- A ReLU commutes with a positive factor, so each channel has its own: the weights of a convolution are divided by the
  ranges of its outputs and multiplied by those of its inputs. Every uint8 tensor then represents q / 255 of the range,
  and branches can be concatenated and max-pooled without conversion.
- One run of the network over a tensor of ranges in place of an image propagates the ranges: each convolution reads
  those of its input and returns its own.
- Average pools move after the following 1 x 1 convolution, as in `inference_form`, and are computed in float32.

Measured on random networks over frames of real clips: the error is smallest and flat between 10 and 16 deviations; with
6 it is two to five times larger.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.networks.inception import AuxHead, ConvBlock, InceptionV3
from extractors.networks.inference_form import PACK_BATCH, fold_batch_norm, is_pointwise
from extractors.networks.sizes import IMAGE_SIZE

DEVIATIONS = 12.0
LEAST_RANGE = 0.01  # of the layer's largest range: for channels that were never active in training
FIRST_LAYER = "Conv2d_1a_3x3"
LEVELS = 255  # of an activation, uint8
WEIGHT_LEVELS = 127  # of a weight's magnitude, int8
MAX_ERROR = 0.35  # relative RMS on the test image; valid ranges give 0.02 to 0.25 on random networks
PIXEL_LEVELS = 128  # an image's x is (q - 128) / 128; for inception-2015, q is the pixel value
SLOW_STRIDED_WEIGHTS = 768 << 10  # above about this size, oneDNN 3.12 is five times slower on strided convolutions


class QuantizedConv(nn.Module):
    """Convolution, bias and ReLU: uint8 channels-last (B, C_in, H, W) to (B, C_out, H', W').

    `pool` is applied between convolution and bias. `reads_image` marks the first layer.
    """

    def __init__(self, block: ConvBlock, *, pool: nn.AvgPool2d | None = None, reads_image: bool = False) -> None:
        super().__init__()
        conv, norm = block.conv, block.bn
        self.kernel, self.stride = conv.kernel_size, list(conv.stride)
        self.padding = [int(p) for p in conv.padding]
        self.pool = pool
        self.in_scale, self.in_zero = (1 / PIXEL_LEVELS, PIXEL_LEVELS) if reads_image else (1 / LEVELS, 0)
        self.weight, self.bias = fold_batch_norm(block)
        highest = norm.bias.detach().double() + DEVIATIONS * norm.weight.detach().double().abs()
        self.ranges = highest.clamp(min=LEAST_RANGE * float(highest.max()))
        self.parts: list[tuple[Tensor, Tensor, Tensor | None]] = []  # packed weight, its scales, bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer; a tensor of ranges, which is floating point, prepares it."""
        if x.dtype != torch.uint8:
            return self._prepare(x)
        if self.pool is not None:
            (weight, scales, _), *_ = self.parts
            y: Tensor = self.pool(self._convolve(x, weight, scales, None, 1.0, torch.float32, "none"))
            return y.add_(self.shift).mul_(LEVELS).round_().clamp_(0, LEVELS).to(torch.uint8)
        parts: list[Tensor] = [self._convolve(x, *part, 1 / LEVELS, torch.uint8, "relu") for part in self.parts]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _convolve(
        self,
        x: Tensor,
        weight: Tensor,
        scales: Tensor,
        bias: Tensor | None,
        out_scale: float,
        out_dtype: torch.dtype,
        activation: str,
    ) -> Tensor:
        """Call oneDNN's quantised convolution."""
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *(x, self.in_scale, self.in_zero, weight, scales, zeros, bias),
            *(self.stride, self.padding, [1, 1], 1),
            *(out_scale, 0, out_dtype, activation, [], ""),
        )
        return y

    def _prepare(self, incoming: Tensor) -> Tensor:
        """Quantise the weight for the ranges of the input (1, C_in, H, W); returns those of the output."""
        out = self.ranges[:, None, None, None]
        weight = self.weight * incoming[0, :, 0, 0].double()[:, None, None] / out
        scales = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / WEIGHT_LEVELS
        levels = (weight / scales).round().to(torch.int8)
        bias = (self.bias / self.ranges).float()
        self.shift = bias[:, None, None]  # used with a pool
        self.weight = self.weight[:0].clone()  # the packed parts replace it
        pieces = 2 if levels.numel() > SLOW_STRIDED_WEIGHTS and self.stride != [1, 1] else 1
        size = [PACK_BATCH, *incoming.shape[1:]]
        for part, scale, shift in zip(levels.chunk(pieces), scales.chunk(pieces), bias.chunk(pieces), strict=True):
            scale = scale.flatten().float().contiguous()
            packed = torch.ops.onednn.qconv_prepack(
                *(part.contiguous(), scale, self.in_scale, self.in_zero),
                *(self.stride, self.padding, [1, 1], 1, size),
            )
            self.parts.append((packed, scale, shift.contiguous()))
        spans = (incoming.shape[2 + axis] + 2 * self.padding[axis] - self.kernel[axis] for axis in (0, 1))
        height, width = (span // stride + 1 for span, stride in zip(spans, self.stride, strict=True))
        return self.ranges.float()[None, :, None, None].expand(1, -1, height, width)


class MaxPool(nn.Module):
    """`nn.MaxPool2d(3)` of non-negative tensors: torch's does not support uint8 tensors of this size."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        assert pool.kernel_size == 3
        assert isinstance(pool.stride, int)
        assert isinstance(pool.padding, int)
        self.stride, self.padding = pool.stride, pool.padding

    def forward(self, x: Tensor) -> Tensor:
        """The largest of three rows, then of three columns."""
        x = functional.pad(x, [self.padding] * 4)
        for axis in (2, 3):
            span = (x.shape[axis] - 3) // self.stride * self.stride + 1
            first, second, third = (
                x.narrow(axis, start, span).unfold(axis, 1, self.stride).squeeze(-1) for start in range(3)
            )
            x = torch.maximum(torch.maximum(first, second), third)
        return x


class QuantizedInception(nn.Module):
    """`InceptionV3.forward_features` in 8-bit integers. The given network is converted in place.

    Raises:
        ValueError: if the features of a test image differ too much from float32: the statistics in the batch norms,
            which determine the ranges, then do not describe the network's activations.
    """

    def __init__(self, network: InceptionV3) -> None:
        super().__init__()
        image = _test_image()
        with torch.inference_mode():
            exact = network.forward_features(image)
        _quantize(network)
        self.network = network
        with torch.inference_mode():
            ranges = torch.ones(1, 3, IMAGE_SIZE, IMAGE_SIZE)  # of the image's levels, 1 / 128 each
            self.step = network.forward_features(ranges) / LEVELS  # 1, 2048
            error = float((self.forward_features(image) - exact).norm() / exact.norm())
        if not error < MAX_ERROR:
            raise ValueError(
                f"precision int8 does not suit these weights: the features of a test image are off by {error:.0%}, "
                f"allowed are {MAX_ERROR:.0%}. The batch norms do not describe the activations; use bf16 or fp32"
            )

    def forward_features(self, images: Tensor, *, stem_frames: int | None = None) -> Tensor:
        """(B, 3, 299, 299) in [-1, 1] to pooled features, float32 (B, 2048)."""
        pixels = (images * PIXEL_LEVELS).round_().add_(PIXEL_LEVELS).clamp_(0, LEVELS).to(torch.uint8)
        return self.network.forward_features(pixels, stem_frames=stem_frames) * self.step


def _test_image() -> Tensor:
    """A pattern of waves of several lengths and colours: channels-last (1, 3, S, S) in [-1, 1]."""
    y, x = torch.meshgrid(*(torch.linspace(0, 1, IMAGE_SIZE, dtype=torch.float64),) * 2, indexing="ij")
    planes = [torch.sin(a * x * x + b * y) * torch.cos(b * x * y) for a, b in ((9.0, 4.0), (31.0, 17.0), (5.0, 90.0))]
    return torch.stack(planes)[None].float().contiguous(memory_format=torch.channels_last)


def _quantize(module: nn.Module) -> None:
    """Replace the convolutions and pools in place."""
    children = list(module.named_children())
    for position, (name, child) in enumerate(children):
        follower = children[position + 1][1] if position + 1 < len(children) else None
        if getattr(module, name) is not child or isinstance(child, AuxHead):
            continue  # rewritten with the child before it, or never run
        if isinstance(child, nn.AvgPool2d) and isinstance(follower, ConvBlock) and is_pointwise(follower.conv):
            setattr(module, name, nn.Identity())
            setattr(module, children[position + 1][0], QuantizedConv(follower, pool=child))
        elif isinstance(child, ConvBlock):
            setattr(module, name, QuantizedConv(child, reads_image=name == FIRST_LAYER))
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, MaxPool(child))
        else:
            _quantize(child)
