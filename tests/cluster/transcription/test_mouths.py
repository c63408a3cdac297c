"""Crops of windows are those that the decoder of clips gives for the same frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cluster.clips.mouth_decoder import MouthTask
from cluster.clips.mouth_decoder import decode as decode_mouth
from cluster.transcription.mouths import MouthWindows
from extractors.video.decode import sample_frames
from extractors.video.samples import Sample
from schemas.lips import FIXED, LipInput
from schemas.outcomes import FailureCode
from schemas.videos import Video
from tests.support.faces import drawn
from tests.support.talking import talking, write_frames

FOUND_LOOK = LipInput(height=32, width=64, channels=3)
FIXED_LOOK = LipInput(height=46, width=140, channels=3, crop=FIXED)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mouths(look: LipInput, size: int = 6, overlap: int = 2) -> MouthWindows:
    return MouthWindows(look=look, face=None, size=size, overlap=overlap)


def samples(images: Sequence[NDArray[np.uint8]], numbers: Sequence[int] | None = None) -> Iterator[Sample]:
    for number, image in zip(numbers or range(len(images)), images, strict=True):
        yield Sample(number, Fraction(number, 25), number, image)


@pytest.mark.parametrize("look", [FOUND_LOOK, FIXED_LOOK], ids=lambda look: look.crop)
def test_a_short_video_is_one_window_with_the_crops_of_its_clip(look: LipInput, tmp_path: Path) -> None:
    path = write_frames(tmp_path / "a.mp4", talking([0.0, 0.06, 0.0, 0.06]))
    task = MouthTask(video=Video("a", str(path)), look=look, memory_bytes=1 << 30, time_seconds=60.0)
    taken = mouths(look)
    (window,) = taken.windows(sample_frames(str(path), look.fps))
    mouth = taken.mouth(window)
    assert mouth is not None
    np.testing.assert_array_equal(mouth.crops, decode_mouth(task))


def test_windows_without_a_face_have_no_crops() -> None:
    taken = mouths(FOUND_LOOK, size=2, overlap=0)
    found = [
        taken.mouth(window) is not None for window in taken.windows(samples([drawn(), drawn(), *talking([0.06, 0])]))
    ]
    assert found == [False, True]
    error = taken.error(drawn(), 4)
    assert (error.code, error.message[:29]) == (FailureCode.NO_FACE, "no face found in its 4 frames")


def test_a_place_of_one_colour_is_no_mouth() -> None:
    taken = mouths(FIXED_LOOK)
    (window,) = taken.windows(samples([np.full((288, 360, 3), 9, np.uint8)] * 3))
    assert taken.mouth(window) is None
    assert "all pixels of its 3 frames are equal" in taken.error(window.items[0].image, 3).message


def test_short_holes_show_the_frame_before_and_long_ones_begin_another_run() -> None:
    images = [np.full((288, 360, 3), level, np.uint8) for level in range(5)]
    taken = mouths(FIXED_LOOK, size=30, overlap=10)
    first, second = taken.windows(samples(images, [0, 1, 4, 17, 31]))
    assert [frame.image[0, 0, 0] for frame in first.items] == [0, 1, 1, 1, 2, *[2] * 12, 3]
    assert [frame.is_shown_again for frame in first.items].count(True) == 14
    assert (second.first, len(second.items)) == (31, 1)
    large = [np.zeros((600, 800, 3), np.uint8), np.zeros((300, 800, 3), np.uint8)]
    sizes = [window.items[0].image.shape[:2] for window in taken.windows(samples(large))]
    assert sizes == [(480, 640), (300, 800)]
