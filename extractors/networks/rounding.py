"""Weights in few bits whose errors cancel; needs no images and costs no time.

In: the weight (C_out, C_in, H, W) of a convolution. Out: one of the allowed numbers, and what its bias is off by then.
Dimensions: C channels, H, W kernel.

- Neighbouring inputs of a kernel are nearly equal, so its taps must sum to the right number: the error of a tap is
  added to the next one before that is rounded (error diffusion along H and W).
- What is left changes the mean of an output by the mean of the inputs times the sum of the errors, which is taken from
  its bias. Means follow from the batch norm before: E[ReLU(N(beta, gamma^2))]. Source: Nagel et al. 2019, "Data-Free
  Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721, section 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from extractors.networks.inception import ConvBlock, InceptionV3

SMALLEST_IMAGE = 139  # pixels; 3 x 3 positions are left at the end


def round_kernel(weight: Tensor, nearest: Callable[[Tensor], Tensor]) -> Tensor:
    """The weight, float64, in numbers that `nearest` gives for others."""
    taps = weight.double().flatten(2)  # C_out, C_in, H W
    rounded = torch.empty_like(taps)
    error = torch.zeros_like(taps[..., 0])
    for tap in range(taps.shape[2]):
        wanted = taps[..., tap] + error
        rounded[..., tap] = nearest(wanted)
        error = wanted - rounded[..., tap]
    return rounded.view_as(weight)


def mean_shift(rounded: Tensor, weight: Tensor, mean_input: Tensor) -> Tensor:
    """By how much rounding changes the mean outputs (C_out,), given the mean inputs (C_in,)."""
    return (rounded - weight).sum((2, 3)) @ mean_input


def mean_inputs(network: InceptionV3) -> dict[ConvBlock, Tensor]:
    """The mean inputs (C_in,) of each block, float64, for images of mean 0."""
    return propagate(network, mean_after_relu, 0.0)[0]


def propagate(
    network: InceptionV3, output: Callable[[nn.BatchNorm2d], Tensor], pixel: float
) -> tuple[dict[ConvBlock, Tensor], Tensor]:
    """One run of the network in eval mode, in which each block returns `output` (C_out,) of its norm everywhere.

    Returns the inputs (C_in,) of each block, float64, and the features (D,).
    """
    inputs: dict[ConvBlock, Tensor] = {}

    def record(block: nn.Module, args: tuple[Tensor], result: Tensor) -> Tensor:
        assert isinstance(block, ConvBlock)
        (x,) = args
        inputs[block] = x[0, :, x.shape[2] // 2, x.shape[3] // 2].double()  # at the border, pools may count padding
        return output(block.bn).float()[None, :, None, None].expand_as(result)

    hooks = [block.register_forward_hook(record) for block in network.modules() if isinstance(block, ConvBlock)]
    try:
        with torch.inference_mode():
            features = network.forward_features(torch.full((1, 3, SMALLEST_IMAGE, SMALLEST_IMAGE), pixel))
    finally:
        for hook in hooks:
            hook.remove()
    return inputs, features[0]


def mean_after_relu(norm: nn.BatchNorm2d) -> Tensor:
    """The mean (C,) of a batch norm's normally distributed outputs where they are positive, and 0 elsewhere."""
    mean = norm.bias.detach().double()
    deviation = norm.weight.detach().double().abs().clamp(min=1e-12)
    z = mean / deviation
    rectified: Tensor = mean * torch.special.ndtr(z) + deviation * torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return rectified
