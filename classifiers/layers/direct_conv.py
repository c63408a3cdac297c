"""3D convolutions of single clips on CPUs, always by oneDNN.

Torch computes fp32 convolutions of one clip with few channels or pixels by unfolding instead: the deep layers of all
networks and nearly all layers of narrow ones, at a half to a sixth of the speed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DirectConv3d(nn.Conv3d):
    """`nn.Conv3d` for inference; the results are equal up to rounding."""

    @staticmethod
    def replace(conv: nn.Conv3d) -> None:
        """Convert a convolution in place; its keys and weights stay, and the weights become channels-last."""
        if conv.padding_mode != "zeros":
            raise ValueError(f"padding_mode is {conv.padding_mode!r}, only 'zeros' is supported")
        conv.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        conv.__class__ = DirectConv3d

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # not in every build
        # Weights of a lower precision need autocast, to which only torch's own convolution is subject.
        is_plain = input.device.type == "cpu" and input.dtype == weight.dtype == torch.float32
        if not has_onednn or not is_plain or isinstance(self.padding, str):
            convolved: Tensor = super()._conv_forward(input, weight, bias)
            return convolved
        return torch.mkldnn_convolution(input, weight, bias, self.padding, self.stride, self.dilation, self.groups)
