"""Layers that LiteRT's operators lack, in terms of those that it has.

In: an exported form (`classifiers.export.form`). Out: the same form, changed in place, with the same results up to
rounding. LiteRT convolves in 3D without groups only; MoViNet's base networks have a group for each channel.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from classifiers.export.form import Form


class GroupedConv3d(nn.Conv3d):
    """A 3D convolution as the sum of 2D convolutions, one for each step of its kernel in time."""

    @override
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        stride, dilation, padding = self.stride[0], self.dilation[0], [int(zeros) for zeros in self.padding]
        steps = F.pad(input, (0, 0, 0, 0, padding[0], padding[0])).transpose(1, 2)  # (N, T, C, H, W)
        length = weight.shape[2]
        times = (steps.shape[1] - dilation * (length - 1) - 1) // stride + 1  # T'
        total = None
        for step in range(length):
            start = step * dilation
            frames = steps[:, start : start + (times - 1) * stride + 1 : stride].flatten(0, 1)  # (N T', C, H, W)
            part = F.conv2d(
                frames, weight[:, :, step], None, self.stride[1:], padding[1:], self.dilation[1:], self.groups
            )
            total = part if total is None else total + part
        assert total is not None  # kernels have a length
        convolved = total.reshape(-1, times, *total.shape[1:]).transpose(1, 2)  # (N, C', T', H', W')
        return convolved if bias is None else convolved + bias[:, None, None, None]


def lowered(form: Form) -> Form:
    """The form with layers that LiteRT has."""
    for module in form.modules():
        if type(module) is nn.Conv3d and module.groups > 1:
            module.__class__ = GroupedConv3d
    return form
