"""2D convolutions with batch normalisation and activation as one kernel, for inference.

In and out: (N, C, H, W), channels-last. The results equal those of the layers one after the other up to rounding.

Batch norm is folded into the convolution in float64, and weights are rounded once to the target precision. Biases are
at least float32: rounded to bf16, they do as much harm as weights. On CPUs, convolution, bias and activation are one
call of oneDNN, on weights packed into its own layout beforehand, whatever the size of the input: torch itself computes
depthwise convolutions of few pixels, and all fp32 convolutions of single frames with few channels, by unfolding, and
passes over each result twice more.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Activations that oneDNN computes with a convolution, by its names.
ACTIVATIONS: dict[type[nn.Module], str] = {nn.Identity: "none", nn.Hardswish: "hardswish"}


class FusedConv(nn.Module):
    """A convolution with bias and activation."""

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, activation: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        assert norm.running_mean is not None  # every norm of ours has statistics
        assert norm.running_var is not None
        scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weight = conv.weight.detach().double() * scale[:, None, None, None]
        bias = norm.bias.detach().double() - norm.running_mean.double() * scale
        self.register_buffer("weight", weight.to(dtype).contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.to(torch.promote_types(dtype, torch.float32)))
        self.kernel_size, self.stride, self.groups = conv.kernel_size, conv.stride, conv.groups
        self.padding = [int(zeros) for zeros in conv.padding]
        self.activation = activation
        self._packed: Tensor | None = None

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        values = values.to(self.weight.dtype)
        if not _has_kernel(values):
            bias = self.bias if self.bias.dtype == self.weight.dtype else None
            plain = F.conv2d(values, self.weight, bias, self.stride, self.padding, groups=self.groups)
            if bias is None:  # torch has no float32 biases for other types
                plain = plain.add_(self.bias[:, None, None])
            activated: Tensor = self.activation(plain)
            return activated
        geometry = (self.padding, self.stride, (1, 1), self.groups)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *geometry, values.shape)
        kind = ACTIVATIONS[type(self.activation)]
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            values, self._packed, self.bias, *geometry, kind, [], ""
        )
        return fused


class FusibleConv(nn.Module):
    """A layer with a convolution that `convolve` normalises and activates."""

    conv: nn.Conv2d | FusedConv
    norm: nn.Module
    activate: nn.Module

    def convolve(self, values: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        convolved: Tensor = self.activate(self.norm(self.conv(values)))
        return convolved

    def fuse(self, dtype: torch.dtype) -> None:
        """Convert the three to one, for inference in `dtype`."""
        assert isinstance(self.conv, nn.Conv2d)
        assert isinstance(self.norm, nn.BatchNorm2d)
        self.conv = FusedConv(self.conv, self.norm, self.activate, dtype)
        self.norm = self.activate = nn.Identity()


def _has_kernel(values: Tensor) -> bool:
    """Whether this build of torch and this processor have the kernel for this input."""
    if values.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    kernels = ("_convolution_pointwise", "_reorder_convolution_weight")
    is_known = all(hasattr(torch.ops.mkldnn, name) for name in kernels)
    has_type = {torch.float32: True, torch.bfloat16: bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())}
    return is_known and has_type.get(values.dtype, False)
