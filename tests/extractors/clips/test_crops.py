"""Resizing is bilinear without antialiasing; crops are at the documented positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from extractors.clips.crops import crop_corners, resized


def image(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(240, 320), (96, 64), (720, 1280), (50, 37), (1, 1)])
@pytest.mark.parametrize("target", [(128, 171), (256, 256), (60, 31)])
def test_resizing_is_bilinear_to_a_grey_level(size: tuple[int, int], target: tuple[int, int]) -> None:
    picture = image(*size)
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    reference = torch.nn.functional.interpolate(planes, target, mode="bilinear", antialias=False)[0].permute(1, 2, 0)
    ours = resized(picture, target)
    assert ours.dtype == np.uint8
    np.testing.assert_allclose(ours, reference.round().numpy(), atol=1)


@pytest.mark.parametrize(
    ("size", "expected"), [((240, 320), (128, 170)), ((320, 240), (170, 128)), ((128, 128), (128, 128))]
)
def test_the_longer_side_follows_the_shorter_one(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized(image(*size), (128,)).shape == (*expected, 3)


def test_a_frame_of_the_target_size_is_unchanged() -> None:
    picture = image(112, 112)
    assert resized(picture, (112, 112)) is picture


def test_corners() -> None:
    wide, tall = image(128, 171), image(171, 128)
    assert crop_corners(wide, 112, 112) == [(8, 30)]  # torchvision rounds 29.5 to 30
    assert crop_corners(wide, 112, 112, crops=3) == [(8, 0), (8, 30), (8, 59)]
    assert crop_corners(tall, 112, 112, crops=3) == [(0, 8), (30, 8), (59, 8)]
    assert crop_corners(wide, 112, 112, position=(0.0, 0.0)) == [(0, 0)]
    assert crop_corners(wide, 112, 112, position=(0.999999, 0.999999)) == [(16, 59)]
