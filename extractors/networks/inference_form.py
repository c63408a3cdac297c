"""A trained network rewritten for inference: batch norm folded, one kernel per convolution, the chosen precision.

In: an `nn.Module` in float32 made of `ConvBlock`s, or of `Sequential`s of convolutions, linear layers and ReLUs. Out:
the same module, changed in place, for channels-last input of the given dtype.

- Batch norm is folded into the convolution in float64, and weights are rounded once to the target precision
  (`rounding`). Biases are float32: those of a trained network, rounded to bf16, do as much harm as its weights.
- In bf16, the first two layers of Inception are in float32 (`EXACT`): areas of one colour have one rounding error
  there, which no later layer averages out. It takes at most 4 % of the time (`benchmarks/layer_errors.py --forms`).
- An average pool before a 1 x 1 convolution moves after it, where there are fewer channels to average: both are linear,
  so they commute up to rounding.
- On the CPU, convolution, bias and ReLU are one oneDNN call on weights packed into oneDNN's blocked layout beforehand.
  Plain eager calls reorder the weights and pass over the output once more in every call.
- A frame's result must not depend on its batch, so that every engine writes the same rows. Measured (torch 2.13,
  AVX-512 with BF16): the packed convolutions give the same bits for a frame at any batch size from 1 to 16 and in any
  position, in bf16 and fp32. Matrix products do not (oneDNN treats one row differently from several), so `TiledLinear`
  always multiplies exactly 16 rows, padding the last tile with zeros.

Inception, batches of 8, one thread of a busy AMD EPYC with AVX-512 BF16 and VNNI, `python benchmarks/embedding.py`:
frames a second, and the share of the matrix-product peak in the same arithmetic (103, 208 and 419 GFLOP/s; 11.42
GFLOP a frame).

| eager fp32 NCHW | ours fp32 | ours bf16  | int8 (`quantized_form`) |
|-----------------|-----------|------------|-------------------------|
| 4.9, 54 %       | 8.4, 93 % | 15.2, 83 % | 24.1, 66 %              |

This machine multiplies bf16 twice as fast as fp32, and eager fp32 reaches 54 % of its peak: bf16 at its peak would be
3.7 times as fast as eager fp32.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.networks.inception import ConvBlock, InceptionV3
from extractors.networks.rounding import mean_inputs, mean_shift, round_kernel

ModuleT = TypeVar("ModuleT", bound=nn.Module)

EXACT = ("Conv2d_1a_3x3", "Conv2d_2a_3x3")
TILE_ROWS = 16
PACK_BATCH = 8  # the batch size that oneDNN's weight layout is optimised for; other sizes use the same layout


def has_packed_kernels(device: torch.device) -> bool:
    """Whether oneDNN's packed convolution can be called on this device with this build of torch."""
    return (
        device.type == "cpu"
        and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )


def cpu_arithmetic(dtype: torch.dtype) -> torch.dtype:
    """The type in which packed layers of `dtype` multiply and add on this CPU.

    oneDNN has no bf16 for processors without AVX-512. Products of bf16 numbers are exact in fp32, so there the layers
    run in fp32 on weights rounded to bf16, and round their results to bf16: the same numbers, at the speed of fp32.
    """
    has_bf16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.float32 if dtype == torch.bfloat16 and not has_bf16 else dtype


class FusedConv(nn.Module):
    """Convolution, bias and, if `relu`, ReLU: channels-last (B, C_in, H, W) to (B, C_out, H', W')."""

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        conv: nn.Conv2d,
        weight: Tensor,
        bias: Tensor,
        *,
        dtype: torch.dtype,
        relu: bool = True,
        out_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.relu, self.out_dtype = relu, out_dtype or dtype
        self.padding = [int(p) for p in conv.padding]
        self.stride = list(conv.stride)
        self.register_buffer("weight", weight.to(dtype).contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.float())
        self.arithmetic = dtype
        self.packed: Tensor | None = None

    def pack(self, input_shape: torch.Size) -> Tensor:
        """Convert the weight to oneDNN's layout for inputs (any, C_in, H, W); to be called once."""
        size = [PACK_BATCH, *input_shape[1:]]
        self.arithmetic = cpu_arithmetic(self.weight.dtype)
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight.to(self.arithmetic), self.padding, self.stride, [1, 1], 1, size
        )
        self.weight = self.weight[:0]  # the packed copy replaces it
        return packed

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer; the first call packs the weight, since it needs the size of the input."""
        if not has_packed_kernels(x.device):
            plain = self._convolve(x.to(self.weight.dtype))
            return (functional.relu(plain) if self.relu else plain).to(self.out_dtype)
        if self.packed is None:
            self.packed = self.pack(x.shape)
        activation = "relu" if self.relu else "none"
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.to(self.arithmetic), self.packed, self.bias, self.padding, self.stride, [1, 1], 1, activation, [], ""
        )
        return y.to(self.out_dtype)

    def _convolve(self, x: Tensor) -> Tensor:
        """The convolution and bias by torch, which has no float32 biases for other types."""
        if x.dtype == self.bias.dtype:
            return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return functional.conv2d(x, self.weight, None, self.stride, self.padding).add_(self.bias[:, None, None])


class PooledConv(nn.Module):
    """Average pool, 1 x 1 convolution, bias and ReLU, computed with the convolution first; shapes as in `FusedConv`."""

    bias: Tensor | None

    def __init__(
        self, pool: nn.AvgPool2d, conv: nn.Conv2d, weight: Tensor, bias: Tensor, *, dtype: torch.dtype
    ) -> None:
        super().__init__()
        # After a pool that includes the padding, which would average the bias with zeros; in fp32 always, to keep bits.
        is_last = pool.count_include_pad or dtype == torch.float32
        self.conv = FusedConv(conv, weight, torch.zeros_like(bias) if is_last else bias, dtype=dtype, relu=False)
        self.pool = pool
        self.register_buffer("bias", bias.float()[:, None, None] if is_last else None)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        y: Tensor = self.pool(self.conv(x))
        return y.relu_() if self.bias is None else y.add_(self.bias).relu_()


class TiledLinear(nn.Module):
    """Matrix product plus bias, (B, D_in) to (B, D_out), in tiles of exactly `TILE_ROWS` rows."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", weight.to(dtype).contiguous())
        self.register_buffer("bias", bias.float())
        self.arithmetic = dtype
        self.packed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer tile by tile; the last tile is padded with rows of zeros, whose results are dropped."""
        rows = x.shape[0]
        x = functional.pad(x, (0, 0, 0, -rows % TILE_ROWS))
        tiles = [self._multiply(tile) for tile in torch.split(x, TILE_ROWS)]
        return torch.cat(tiles)[:rows] if tiles else x.new_empty((0, self.bias.shape[0]))

    def _multiply(self, tile: Tensor) -> Tensor:
        """One tile (TILE_ROWS, D_in) to (TILE_ROWS, D_out)."""
        if not has_packed_kernels(tile.device):
            if tile.dtype == self.bias.dtype:
                return functional.linear(tile, self.weight, self.bias)
            return functional.linear(tile, self.weight).add_(self.bias)
        if self.packed is None:
            self.arithmetic = cpu_arithmetic(self.weight.dtype)
            self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.to(self.arithmetic), TILE_ROWS)
            self.weight = self.weight[:0]  # the packed copy replaces it
        inputs = tile.contiguous().to(self.arithmetic)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.packed, self.bias, "none", [], "")
        return y.to(tile.dtype)


def to_inference_form(
    module: ModuleT, *, dtype: torch.dtype, means: Mapping[ConvBlock, Tensor] | None = None
) -> ModuleT:
    """Rewrite a network in place for inference in `dtype`; returns it.

    means  the mean inputs of the blocks of a part of a network (`rounding.mean_inputs`)
    """
    module.requires_grad_(False).eval()
    if dtype != torch.float32 and isinstance(module, InceptionV3):
        means = mean_inputs(module)
    _rewrite(module, dtype, means or {})
    return module


def _rewrite(module: nn.Module, dtype: torch.dtype, means: Mapping[ConvBlock, Tensor]) -> None:
    """Rewrite the layers in place; `means` has the mean inputs of the blocks that are known."""
    children = list(module.named_children())
    for position, (name, child) in enumerate(children):
        follower = children[position + 1][1] if position + 1 < len(children) else None
        if getattr(module, name) is not child:
            continue  # rewritten with the child before it
        if isinstance(child, nn.AvgPool2d) and isinstance(follower, ConvBlock) and is_pointwise(follower.conv):
            pooled = PooledConv(child, follower.conv, *_rounded(follower, dtype, means), dtype=dtype)
            setattr(module, name, nn.Identity())
            setattr(module, children[position + 1][0], pooled)
        elif isinstance(child, ConvBlock):
            if name in EXACT and dtype == torch.bfloat16:
                out = dtype if name == EXACT[-1] else torch.float32
                fused = FusedConv(child.conv, *fold_batch_norm(child), dtype=torch.float32, out_dtype=out)
            else:
                fused = FusedConv(child.conv, *_rounded(child, dtype, means), dtype=dtype)
            setattr(module, name, fused)
        elif isinstance(child, nn.Conv2d):
            if not isinstance(follower, nn.ReLU) or child.bias is None:
                raise ValueError(f"convolution {name!r} needs a bias and a ReLU after it, but {follower!r} follows")
            weight = round_kernel(child.weight.detach(), partial(_nearest, dtype=dtype))
            setattr(module, name, FusedConv(child, weight, child.bias.detach(), dtype=dtype))
            setattr(module, children[position + 1][0], nn.Identity())
        elif isinstance(child, nn.Linear):
            setattr(module, name, TiledLinear(child.weight.detach(), child.bias.detach(), dtype=dtype))
        else:
            _rewrite(child, dtype, means)


def _rounded(block: ConvBlock, dtype: torch.dtype, means: Mapping[ConvBlock, Tensor]) -> tuple[Tensor, Tensor]:
    """Weight in numbers of `dtype`, and bias, both float64, of the block as one convolution."""
    weight, bias = fold_batch_norm(block)
    if dtype == torch.float32:
        return weight, bias
    rounded = round_kernel(weight, partial(_nearest, dtype=dtype))
    return rounded, bias - mean_shift(rounded, weight, means[block]) if block in means else bias


def _nearest(numbers: Tensor, *, dtype: torch.dtype) -> Tensor:
    """Float64 numbers in those of `dtype`."""
    return numbers.to(dtype).double()


def is_pointwise(conv: nn.Conv2d) -> bool:
    """Whether the kernel is 1 x 1 with stride 1, so that the convolution commutes with an average over positions."""
    return conv.kernel_size == (1, 1) and conv.stride == (1, 1)


def fold_batch_norm(block: ConvBlock) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of the convolution that equals the block's convolution and batch norm."""
    norm = block.bn
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("batch norm without running statistics cannot be folded")
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = block.conv.weight.detach().double() * scale[:, None, None, None]
    return weight, norm.bias.detach().double() - norm.running_mean.double() * scale
