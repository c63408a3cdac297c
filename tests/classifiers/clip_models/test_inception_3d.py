from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from classifiers.clip_models.inception_3d import SamePool, Unit, WindowMean
from classifiers.layers.same_padding import pad_same


@pytest.mark.parametrize("kernel", [(1, 3, 3), (3, 3, 3), (2, 2, 2)])
@pytest.mark.parametrize("size", [(4, 6, 7), (5, 9, 8), (1, 1, 2)])
def test_pools_pad_as_tensorflow_does(kernel: tuple[int, int, int], size: tuple[int, int, int]) -> None:
    strides = ((1, 2, 2), (2, 2, 2), (1, 1, 1)) if kernel != (2, 2, 2) else ((2, 2, 2),)
    values = torch.randn(2, 3, *size)  # with negative ones: padding must not win
    for stride in strides:
        padded = pad_same(values.exp(), kernel, stride)  # e^x > 0: zeros never win
        torch.testing.assert_close(SamePool(kernel, stride)(values).exp(), F.max_pool3d(padded, kernel, stride))


@pytest.mark.parametrize("size", [(4, 6, 7), (5, 9, 8)])
def test_strided_convolutions_pad_as_tensorflow_does_or_by_half(size: tuple[int, int, int]) -> None:
    kernel, stride = (7, 7, 7), (2, 2, 2)
    values = torch.randn(1, 2, *size)
    same = Unit(2, 3, kernel=kernel, stride=stride, same=True, epsilon=1e-3).eval()
    half = Unit(2, 3, kernel=kernel, stride=stride, same=False, epsilon=1e-3).eval()
    for unit, padded in ((same, pad_same(values, kernel, stride)), (half, F.pad(values, (3,) * 6))):
        expected = F.relu(F.conv3d(padded, unit.conv3d.weight, stride=stride) / (1 + 1e-3) ** 0.5)
        torch.testing.assert_close(unit(values), expected)


def test_the_last_mean_is_over_windows() -> None:
    values = torch.randn(2, 3, 4, 8, 7)
    windows = [values[:, :, t : t + 2, h : h + 7].mean(dim=(2, 3, 4)) for t in range(3) for h in range(2)]
    torch.testing.assert_close(WindowMean()(values), torch.stack(windows).mean(dim=0))
    torch.testing.assert_close(WindowMean()(values[:, :, :1, :5]), values[:, :, 0, :5].mean(dim=(2, 3)))
