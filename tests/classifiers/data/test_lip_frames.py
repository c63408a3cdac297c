"""Crops as the reference loader prepares them, and as it should have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from classifiers.data.lip_frames import grey, lip_preprocess
from schemas.lips import STANDARDISED, UNIT, WRAPPED, LipInput
from tests.fixtures.parity.clips import weights

PARITY = Path(__file__).parents[2] / "fixtures" / "parity" / "lips" / "lip_preprocess.npz"
SAMPLE = np.s_[::5, ::4, ::7, 0]


def form(normalisation: str, *, channels: int = 1, height: int = 46, width: int = 140) -> LipInput:
    return LipInput(height=height, width=width, channels=channels, normalisation=normalisation, colours="bgr")


@pytest.fixture(scope="module")
def crops() -> NDArray[np.uint8]:
    """The reference's crops of its clip, RGB; it sees them blue first."""
    return weights.clip_u8(620, 75, 288, 360, 3, cell=12)[:, 190:236, 80:220, ::-1]


def test_the_reference_is_met_to_the_bit(crops: NDArray[np.uint8]) -> None:
    with np.load(PARITY) as expected:
        np.testing.assert_array_equal(grey(crops[..., ::-1])[SAMPLE], expected["gray_sample"])
        prepared = lip_preprocess(crops, form(WRAPPED))
        assert (prepared.dtype, prepared.shape) == (np.float32, (75, 46, 140, 1))
        np.testing.assert_array_equal(prepared[SAMPLE], expected["sample"])
        assert prepared.min() >= 0
        assert np.abs(lip_preprocess(crops, form(STANDARDISED))[SAMPLE] - expected["sample"]).max() > 6


def test_a_standardised_clip_has_mean_0_and_deviation_1(crops: NDArray[np.uint8]) -> None:
    prepared = lip_preprocess(crops, form(STANDARDISED)).astype(np.float64)
    assert prepared.mean() == pytest.approx(0, abs=1e-6)
    assert prepared.std() == pytest.approx(1, abs=1e-6)


def test_colours_are_taken_in_the_order_of_the_network() -> None:
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    frames[..., 0] = 255  # red
    assert lip_preprocess(frames, form(UNIT, channels=3, height=2, width=2))[0, 0, 0].tolist() == [0, 0, 1]
    # Red is where blue is expected.
    assert lip_preprocess(frames, form(UNIT, height=2, width=2))[0, 0, 0, 0] == pytest.approx(29 / 255)


def test_white_stays_white() -> None:
    assert grey(np.full((1, 1, 1, 3), 255, np.uint8)).item() == 255


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), r"a clip is uint8 \(T, H, W, 3\), got float32 \(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"got uint8 \(0, 4, 4, 3\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), "a crop is 4 x 4 x 3, got 4 x 5 x 3"),
        (np.full((2, 4, 4, 3), 7, np.uint8), "all pixels of the clip are 7: there is nothing to standardise"),
    ],
)
def test_other_frames_are_refused(frames: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lip_preprocess(frames, form(STANDARDISED, height=4, width=4))
