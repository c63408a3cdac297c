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
- Weights are rounded so that their errors cancel (`rounding`).
- The layers that 8 bits harm most, the first three and Mixed_5b, are in bf16.
- Average pools move after the following 1 x 1 convolution, as in `inference_form`, and are computed in float32.

The errors with trained weights: `benchmarks/README.md`; `benchmarks/precision.py` measures your own weights and videos.
What is left is mostly the rounding of activations.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.networks.inception import AuxHead, ConvBlock, InceptionV3
from extractors.networks.inference_form import PACK_BATCH, fold_batch_norm, is_pointwise, to_inference_form
from extractors.networks.rounding import mean_inputs, mean_shift, propagate, round_kernel
from extractors.networks.sizes import IMAGE_SIZE

DEVIATIONS = 12.0
LEAST_RANGE = 0.01  # of the layer's largest range: for channels that were never active in training
FIRST_LAYERS = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3")
LEVELS = 255  # of an activation, uint8
WEIGHT_LEVELS = 127  # of a weight's magnitude, int8
MAX_ERROR = 0.06  # relative RMS on the test image; of trained weights it is 0.015, of random ones 0.013
SLOW_STRIDED_WEIGHTS = 768 << 10  # above about this size, oneDNN 3.12 is five times slower on strided convolutions


class QuantizedConv(nn.Module):
    """Convolution, bias and ReLU: uint8 channels-last (B, C_in, H, W) to (B, C_out, H', W').

    incoming     the ranges of the inputs, float64 (C_in,)
    mean_input   their means
    pool         applied between convolution and bias
    """

    def __init__(
        self, block: ConvBlock, incoming: Tensor, mean_input: Tensor, *, pool: nn.AvgPool2d | None = None
    ) -> None:
        super().__init__()
        self.stride, self.padding = list(block.conv.stride), [int(p) for p in block.conv.padding]
        self.pool = pool
        folded, bias = fold_batch_norm(block)
        out = ranges_of(block.bn)
        weight = folded * incoming[:, None, None] / out[:, None, None, None]
        scales = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / WEIGHT_LEVELS
        levels = round_kernel(weight / scales, _nearest_level)
        shift = bias / out - mean_shift(levels * scales, weight, mean_input / incoming)
        self.levels, self.scales, self.shift = levels.to(torch.int8), scales.flatten().float(), shift.float()
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []  # packed weight, its scales, bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer; the first call packs the weight, since it needs the size of the input."""
        if not self.parts:
            self._pack(x.shape)
        if self.pool is not None:
            (weight, scales, _), *_ = self.parts
            y: Tensor = self.pool(self._convolve(x, weight, scales, None, 1.0, torch.float32, "none"))
            return y.add_(self.shift[:, None, None]).mul_(LEVELS).round_().clamp_(0, LEVELS).to(torch.uint8)
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
            *(x, 1 / LEVELS, 0, weight, scales, zeros, bias),
            *(self.stride, self.padding, [1, 1], 1),
            *(out_scale, 0, out_dtype, activation, [], ""),
        )
        return y

    def _pack(self, input_shape: torch.Size) -> None:
        """Convert the weight to oneDNN's layout for inputs (any, C_in, H, W)."""
        pieces = 2 if self.levels.numel() > SLOW_STRIDED_WEIGHTS and self.stride != [1, 1] else 1
        size = [PACK_BATCH, *input_shape[1:]]
        parts = (tensor.chunk(pieces) for tensor in (self.levels, self.scales, self.shift))
        for part, scales, bias in zip(*parts, strict=True):
            packed = torch.ops.onednn.qconv_prepack(
                *(part.contiguous(), scales.contiguous(), 1 / LEVELS, 0),
                *(self.stride, self.padding, [1, 1], 1, size),
            )
            self.parts.append((packed, scales.contiguous(), bias.contiguous()))
        self.levels = self.levels[:0].clone()  # the packed parts replace it


class ToLevels(nn.Module):
    """Non-negative activations (B, C, H, W) in units of levels to uint8; larger ones are clipped."""

    def forward(self, x: Tensor) -> Tensor:
        """Round, which up to 256 bf16 does exactly."""
        return x.round().clamp_(max=LEVELS).to(torch.uint8)


class FromLevels(nn.Module):
    """Levels (B, C, H, W), uint8, to bf16, exactly."""

    def forward(self, x: Tensor) -> Tensor:
        """Convert the type."""
        return x.to(torch.bfloat16)


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
        network.eval()
        image = _test_image()
        with torch.inference_mode():
            exact = network.forward_features(image)
        ranges, features = propagate(network, ranges_of, 1.0)
        self.step = features / LEVELS  # 2048
        self.network = _quantize(network, ranges)
        with torch.inference_mode():
            error = float((self.forward_features(image) - exact).norm() / exact.norm())
        if not error < MAX_ERROR:
            raise ValueError(
                f"precision int8 does not suit these weights: the features of a test image are off by {error:.0%}, "
                f"allowed are {MAX_ERROR:.0%}. The batch norms do not describe the activations; use bf16 or fp32"
            )

    def forward_features(self, images: Tensor, *, stem_frames: int | None = None) -> Tensor:
        """(B, 3, 299, 299) in [-1, 1] to pooled features, float32 (B, 2048)."""
        return self.network.forward_features(images, stem_frames=stem_frames) * self.step


def ranges_of(norm: nn.BatchNorm2d) -> Tensor:
    """The activations (C,) that the highest level stands for, float64."""
    highest = norm.bias.detach().double() + DEVIATIONS * norm.weight.detach().double().abs()
    return highest.clamp(min=LEAST_RANGE * float(highest.max()))


def _test_image() -> Tensor:
    """A pattern of waves of several lengths and colours: channels-last (1, 3, S, S) in [-1, 1]."""
    y, x = torch.meshgrid(*(torch.linspace(0, 1, IMAGE_SIZE, dtype=torch.float64),) * 2, indexing="ij")
    planes = [torch.sin(a * x * x + b * y) * torch.cos(b * x * y) for a, b in ((9.0, 4.0), (31.0, 17.0), (5.0, 90.0))]
    return torch.stack(planes)[None].float().contiguous(memory_format=torch.channels_last)


def _nearest_level(numbers: Tensor) -> Tensor:
    return numbers.round().clamp(-WEIGHT_LEVELS, WEIGHT_LEVELS)


def _quantize(network: InceptionV3, ranges: dict[ConvBlock, Tensor]) -> InceptionV3:
    """Replace the convolutions and pools in place; the first layers and Mixed_5b by their form in bf16."""
    means = mean_inputs(network)
    block = network.Mixed_5b
    for entrance in (block.branch1x1, block.branch5x5_1, block.branch3x3dbl_1, block.branch_pool):
        step = ranges[entrance] / LEVELS
        entrance.conv.weight.data = entrance.conv.weight.detach() * step.float()[:, None, None]
        means[entrance] = means[entrance] / step
    last = getattr(network, FIRST_LAYERS[-1])
    for exit_ in (last, block.branch1x1, block.branch5x5_2, block.branch3x3dbl_3, block.branch_pool):
        per_level = (LEVELS / ranges_of(exit_.bn)).float()
        exit_.bn.weight.data = exit_.bn.weight.detach() * per_level
        exit_.bn.bias.data = exit_.bn.bias.detach() * per_level
    in_bf16 = partial(to_inference_form, dtype=torch.bfloat16, means=means)
    first = in_bf16(nn.Sequential(*(getattr(network, name) for name in FIRST_LAYERS)))
    for name, layer in zip(FIRST_LAYERS, first, strict=True):
        setattr(network, name, layer)
    pool, block = network.maxpool1, in_bf16(block)
    _quantize_layers(network, ranges, means)
    setattr(network, "maxpool1", nn.Sequential(pool, ToLevels()))  # noqa: B010 - of another type
    setattr(network, "Mixed_5b", nn.Sequential(FromLevels(), block, ToLevels()))  # noqa: B010
    return network


def _quantize_layers(module: nn.Module, ranges: dict[ConvBlock, Tensor], means: dict[ConvBlock, Tensor]) -> None:
    """Replace the `ConvBlock`s and max-pools that are left."""
    children = list(module.named_children())
    for position, (name, child) in enumerate(children):
        follower = children[position + 1][1] if position + 1 < len(children) else None
        if getattr(module, name) is not child or isinstance(child, AuxHead):
            continue  # rewritten with the child before it, or never run
        if isinstance(child, nn.AvgPool2d) and isinstance(follower, ConvBlock) and is_pointwise(follower.conv):
            setattr(module, name, nn.Identity())
            layer = QuantizedConv(follower, ranges[follower], means[follower], pool=child)
            setattr(module, children[position + 1][0], layer)
        elif isinstance(child, ConvBlock):
            setattr(module, name, QuantizedConv(child, ranges[child], means[child]))
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, MaxPool(child))
        else:
            _quantize_layers(child, ranges, means)
