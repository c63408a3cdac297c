"""A trained network rewritten for running only: batch norm folded, one kernel per convolution, chosen precision.

In: an `nn.Module` in float32 made of `ConvBlock`s, or of `Sequential`s of convolutions, linear layers and ReLUs. Out:
the same module, changed in place, that takes channels-last input of the given dtype.

- Batch norm is folded into the convolution in float64, then rounded once to the target precision.
- On the CPU, convolution + bias + ReLU is one oneDNN call on weights that were brought into oneDNN's blocked layout
  beforehand. Plain eager calls reorder the weights and walk over the output again in every call.
- Results must not depend on which frames share a batch, so that every engine writes the same rows. Measured (torch
  2.13, AVX-512 with BF16): the packed convolutions give the same bits for a frame at any batch size from 1 to 16 and in
  any position, bf16 and fp32. Matrix products do not (one row takes another path through the library than several), so
  `TiledLinear` always multiplies exactly 16 rows, padding the last tile with zeros.

Inception, one thread of an AMD EPYC with AVX-512 BF16, `python benchmarks/embedding.py` (frames/s, and the share of the
matrix-product rate that the same process reaches):

| batch | eager fp32 NCHW | ours fp32  | ours bf16  |
|-------|-----------------|------------|------------|
| 1     | 6.0             | 9.4, 103 % | 17.4, 90 % |
| 4     | 6.6             | 9.6, 106 % | 18.6, 96 % |
| 8     | 6.2             | 9.5, 105 % | 19.0, 99 % |
| 16    | 5.7             | 8.9, 98 %  | 18.3, 94 % |
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.inception import ConvBlock

ModuleT = TypeVar("ModuleT", bound=nn.Module)

TILE_ROWS = 16
PACK_BATCH = 8  # the batch that oneDNN's weight layout is chosen for; other batches run on the same layout


def has_packed_kernels(device: torch.device) -> bool:
    """Whether oneDNN's packed convolution can be called on this device with this build of torch."""
    return (
        device.type == "cpu"
        and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )


class FusedConv(nn.Module):
    """Convolution, bias and ReLU: channels-last (B, C_in, H, W) to channels-last (B, C_out, H', W')."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d, weight: Tensor, bias: Tensor, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.padding = [int(p) for p in conv.padding]
        self.stride = list(conv.stride)
        self.register_buffer("weight", weight.to(dtype).contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.to(dtype))
        self.packed: Tensor | None = None

    def pack(self, input_shape: torch.Size) -> Tensor:
        """Bring the weight into oneDNN's layout for inputs like (any, C_in, H, W), once."""
        size = [PACK_BATCH, *input_shape[1:]]
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight, self.padding, self.stride, [1, 1], 1, size
        )
        self.weight = self.weight[:0]  # the packed copy replaces it
        return packed

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer; the weight is packed at the first call, when the input's size is known."""
        if not has_packed_kernels(x.device):
            return functional.relu(functional.conv2d(x, self.weight, self.bias, self.stride, self.padding))
        if self.packed is None:
            self.packed = self.pack(x.shape)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.packed, self.bias, self.padding, self.stride, [1, 1], 1, "relu", [], ""
        )
        return y


class TiledLinear(nn.Module):
    """Matrix product plus bias, (B, D_in) to (B, D_out), always over exactly `TILE_ROWS` rows at a time."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", weight.to(dtype).contiguous())
        self.register_buffer("bias", bias.to(dtype))
        self.packed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer tile by tile; rows of zeros fill the last tile and are cut off again."""
        rows = x.shape[0]
        x = functional.pad(x, (0, 0, 0, -rows % TILE_ROWS))
        tiles = [self._multiply(tile) for tile in torch.split(x, TILE_ROWS)]
        return torch.cat(tiles)[:rows] if tiles else x.new_empty((0, self.bias.shape[0]))

    def _multiply(self, tile: Tensor) -> Tensor:
        """One tile (TILE_ROWS, D_in) to (TILE_ROWS, D_out)."""
        if not has_packed_kernels(tile.device):
            return functional.linear(tile, self.weight, self.bias)
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, TILE_ROWS)
            self.weight = self.weight[:0]
        y: Tensor = torch.ops.mkldnn._linear_pointwise(tile.contiguous(), self.packed, self.bias, "none", [], "")
        return y


def to_inference_form(module: ModuleT, *, dtype: torch.dtype) -> ModuleT:
    """Rewrite a network in place for inference in `dtype` and return it."""
    children = list(module.named_children())
    for position, (name, child) in enumerate(children):
        follower = children[position + 1][1] if position + 1 < len(children) else None
        if isinstance(child, ConvBlock):
            weight, bias = _fold_batch_norm(child)
            setattr(module, name, FusedConv(child.conv, weight, bias, dtype=dtype))
        elif isinstance(child, nn.Conv2d):
            if not isinstance(follower, nn.ReLU) or child.bias is None:
                raise ValueError(f"convolution {name!r} needs a bias and a ReLU after it, found {follower!r}")
            setattr(module, name, FusedConv(child, child.weight.detach(), child.bias.detach(), dtype=dtype))
            setattr(module, children[position + 1][0], nn.Identity())
        elif isinstance(child, nn.Linear):
            setattr(module, name, TiledLinear(child.weight.detach(), child.bias.detach(), dtype=dtype))
        else:
            to_inference_form(child, dtype=dtype)
    return module.requires_grad_(False).eval()


def _fold_batch_norm(block: ConvBlock) -> tuple[Tensor, Tensor]:
    """Weight and bias, float64, of the convolution that equals convolution plus batch norm."""
    norm = block.bn
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("batch norm without running statistics cannot be folded")
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weight = block.conv.weight.detach().double() * scale[:, None, None, None]
    return weight, norm.bias.detach().double() - norm.running_mean.double() * scale
