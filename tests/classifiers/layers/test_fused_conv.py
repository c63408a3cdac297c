from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from classifiers.layers.fused_conv import FusedConv, FusibleConv


def noisy_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, 1e-3).eval()
    with torch.no_grad():
        for values in (norm.weight, norm.running_var):
            assert values is not None
            values.uniform_(0.5, 2.0)
        for values in (norm.bias, norm.running_mean):
            assert values is not None
            values.normal_()
    return norm


class Layer(FusibleConv):
    def __init__(self, activation: nn.Module | None = None, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, bias=False, **options)
        self.norm = noisy_norm(8)
        self.activate = activation or nn.Hardswish()


def some_frames(frames: int = 3, size: int = 9) -> Tensor:
    return torch.randn(frames, 8, size, size).contiguous(memory_format=torch.channels_last)


def fused(layer: Layer, dtype: torch.dtype = torch.float32) -> Layer:
    other = copy.deepcopy(layer)
    other.fuse(dtype)
    assert isinstance(other.conv, FusedConv)
    return other


@pytest.mark.parametrize("activation", [nn.Identity(), nn.Hardswish()])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 1, "groups": 8},
        {"kernel_size": 5, "stride": 2, "groups": 8},
        {"kernel_size": (3, 1), "groups": 8},
    ],
)
def test_a_fused_layer_equals_the_layers_in_a_row(options: dict[str, Any], activation: nn.Module) -> None:
    torch.manual_seed(0)
    layer = Layer(activation, **options)
    kernel = fused(layer)
    with torch.inference_mode():
        for frames, size in ((3, 9), (1, 9), (2, 12)):  # the weights are packed for the first of them
            values = some_frames(frames, size)
            torch.testing.assert_close(kernel.convolve(values), layer.convolve(values), rtol=1e-5, atol=1e-5)


def test_bf16_gives_nearly_the_same() -> None:
    torch.manual_seed(0)
    layer = Layer(kernel_size=3, padding=1)
    values = some_frames()
    with torch.inference_mode():
        expected, found = layer.convolve(values), fused(layer, torch.bfloat16).convolve(values)
    assert found.dtype == torch.bfloat16
    assert (found - expected).norm() < 0.01 * expected.norm()


@pytest.mark.parametrize("has_kernel", [True, False])
def test_biases_are_not_rounded(monkeypatch: pytest.MonkeyPatch, has_kernel: bool) -> None:
    if not has_kernel:  # as on CUDA
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer = Layer(nn.Identity(), kernel_size=1)
    layer.norm = nn.BatchNorm2d(8, eps=0.0).eval()
    layer.norm.bias.data.fill_(300.9)  # 300 in bf16
    layer.conv.weight.data.fill_(-37.5)
    ones = torch.ones(1, 8, 3, 3, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = fused(layer, torch.bfloat16).convolve(ones)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), torch.full((1, 8, 3, 3), 0.9), atol=2e-3, rtol=0)


def test_where_there_is_no_kernel_torch_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = Layer(kernel_size=3, padding=1, groups=8)
    values = some_frames()
    with torch.inference_mode():
        expected = layer.convolve(values)
        double = fused(layer, torch.float64).convolve(values)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        plain = fused(layer).convolve(values)
    torch.testing.assert_close(double, expected.double(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(plain, expected, rtol=1e-5, atol=1e-5)
