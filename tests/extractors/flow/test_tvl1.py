"""TV-L1 flow: OpenCV's, known motions, and pairs that do not depend on one another."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from extractors.flow.fields import grey
from extractors.flow.tvl1 import median_filtered, tvl1_flow

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "flow" / "tvl1.npz"


def textured(height, width, seed=0):
    """A smooth random picture, (1, H, W) of 0..255."""
    torch.manual_seed(seed)
    noise = torch.randn(1, 1, height // 4, width // 4)
    image = F.interpolate(noise, (height, width), mode="bicubic", align_corners=True)[0]
    return 128 + 50 * image / image.std()


def endpoint_errors(flow, expected):
    """(…, 2, H, W) to (…, H, W), in pixels."""
    return (flow - expected).square().sum(-3).sqrt()


def test_it_is_opencvs():
    with np.load(FIXTURE) as stored:
        first, second = (torch.from_numpy(grey(frame))[None] for frame in stored["frames"])
        expected = torch.from_numpy(stored["flow"]).float().permute(2, 0, 1)
    errors = endpoint_errors(tvl1_flow(first, second)[0], expected)
    assert expected.square().sum(0).sqrt().mean() > 1.5
    assert errors.median() < 0.02
    assert errors.mean() < 0.08  # a few pixels beside the disc are seen once


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, -2), (-3, 2)])
def test_a_translation_is_found(right, down):
    whole = textured(96, 120)
    first, second = whole[:, 16:-16, 16:-16], whole[:, 16 - down : -16 - down, 16 - right : -16 - right]
    (flow,) = tvl1_flow(first, second)
    inner = flow[:, 8:-8, 8:-8]
    expected = torch.tensor([right, down])[:, None, None]
    assert endpoint_errors(inner, expected).median() < 0.05


def test_what_does_not_change_does_not_move():
    picture = textured(40, 48)
    assert tvl1_flow(picture, picture).abs().max() < 1e-3
    assert tvl1_flow(torch.full((1, 40, 48), 7), torch.full((1, 40, 48), 7)).abs().max() == 0


def test_a_pair_does_not_depend_on_those_beside_it(monkeypatch):
    monkeypatch.setattr("extractors.flow.tvl1.OUTER_ITERATIONS", 1)
    monkeypatch.setattr("extractors.flow.tvl1.WARPS", 2)
    pictures = torch.cat([textured(20, 24, seed) for seed in range(3)])
    moved = torch.cat([pictures[:1], pictures[1:].roll(1, 2)])  # the first one is still, and done at once
    together = tvl1_flow(pictures, moved)
    alone = torch.cat([tvl1_flow(pictures[row : row + 1], moved[row : row + 1]) for row in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)


def test_frames_of_a_pair_have_one_size():
    with pytest.raises(ValueError, match=r"\(1, 8, 8\) and \(1, 8, 9\)"):
        tvl1_flow(torch.zeros(1, 8, 8), torch.zeros(1, 8, 9))


def test_the_median_is_that_of_25_pixels():
    values = torch.randn(2, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    around = F.pad(values, (2, 2, 2, 2), mode="replicate").unfold(2, 5, 1).unfold(3, 5, 1)
    assert torch.equal(median_filtered(values), around.flatten(-2).median(-1).values)
