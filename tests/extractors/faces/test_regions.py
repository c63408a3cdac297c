import math

import numpy as np
import pytest
import torch

from extractors.faces.regions import Region, angle_radians, moved, pixels_of

FRAME = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def test_an_upright_region_of_scale_1_is_a_crop() -> None:
    pixels = pixels_of(FRAME, Region(25, 18, 1, 0), 12, 20)
    torch.testing.assert_close(pixels, FRAME[12:24, 15:35].permute(2, 0, 1).float(), atol=1e-3, rtol=0)


def test_a_quarter_turn_is_exact() -> None:
    pixels = pixels_of(FRAME, Region(30, 20, 1, math.pi / 2), 10, 16)  # its right is the frame's below
    expected = FRAME[12:28, 25:35].permute(2, 0, 1).float().transpose(1, 2).flip(1)
    torch.testing.assert_close(pixels, expected, atol=1e-2, rtol=0)


def test_a_far_larger_region_averages() -> None:
    pixels = pixels_of(FRAME, Region(32, 20, 4, 0), 8, 8)
    blocks = FRAME[4:36, 16:48].permute(2, 0, 1).float().reshape(3, 8, 4, 8, 4).mean((2, 4))
    assert (pixels - blocks).abs().mean() < 12  # of 37 between neighbouring means, as the blocks lie elsewhere
    torch.testing.assert_close(pixels.mean(), blocks.mean(), atol=2, rtol=0)


def test_what_lies_outside_the_frame_is_black() -> None:
    pixels = pixels_of(FRAME, Region(0, 20, 1, 0), 10, 20)
    assert not pixels[:, :, :9].any()
    assert pixels[:, :, 11:].min(0).values.mean() > 0
    assert not pixels_of(FRAME, Region(-500, 20, 1, 0), 10, 20).any()
    assert not pixels_of(FRAME, Region(1e9, 1e9, 1e3, 1), 4, 4).any()


@pytest.mark.parametrize(("turn", "growth", "shift"), [(0.0, 1.0, (5, -3)), (0.4, 1.3, (0, 0)), (-3.0, 0.5, (-40, 12))])
def test_a_region_moves_as_its_points_do(turn: float, growth: float, shift: tuple[float, float]) -> None:
    before = np.random.default_rng(1).uniform(0, 100, (30, 2)).astype(np.float32)
    motion = Region(*shift, growth, turn)
    region = moved(Region(40, 60, 2, 0.1), before, motion.to_frame(before))
    expected = motion.to_frame(np.array([[40, 60]], np.float32))[0]
    assert (region.x, region.y) == pytest.approx(expected, abs=1e-3)
    assert (region.scale, region.angle_radians) == pytest.approx((2 * growth, 0.1 + turn), abs=1e-5)


def test_the_angle_of_a_line_is_clockwise_on_the_screen() -> None:
    assert angle_radians(np.array([[0, 0], [1, 1]], np.float32)) == pytest.approx(math.pi / 4)
