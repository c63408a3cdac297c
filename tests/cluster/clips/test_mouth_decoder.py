"""The mouth of a video, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.clips.decoder_pool import MOUTHS, ClipDecoderPool
from cluster.clips.mouth_decoder import MouthTask, answer, decode
from schemas.lips import FIXED, LipInput
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.faces import DrawnFace, drawn
from tests.support.talking import talking, write_frames

LOOK = LipInput(height=32, width=64, channels=3)
OPENINGS = (0.0, 0.06, 0.0, 0.06, 0.06, 0.0)


def task(path: Path, **options: object) -> MouthTask:
    defaults = {"look": LOOK, "memory_bytes": 1 << 30, "time_seconds": 60.0}
    return MouthTask(video=Video("a", str(path)), **{**defaults, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("videos") / "a.mp4", talking(OPENINGS))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As children have; with more, pixels may differ by one grey level."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def darkness(crops: np.ndarray) -> np.ndarray:
    """How much of each frame is the inside of the mouth."""
    return (crops[..., 1] < 50).mean((1, 2))


def test_the_mouth_fills_the_crop_and_opens_when_it_was_drawn_open(video: Path) -> None:
    crops = decode(task(video))
    assert (crops.shape, crops.dtype) == ((6, 32, 64, 3), np.uint8)
    assert (darkness(crops) > 0.15).tolist() == [opening > 0 for opening in OPENINGS]


def test_a_child_answers_with_the_same_crops(video: Path) -> None:
    asked = task(video)
    found = asked.outcome_of(answer(asked.encoded()))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, decode(asked))


def test_a_part_and_a_rate_are_those_of_the_task(video: Path) -> None:
    part = replace(Video("a", str(video)), start_seconds=Fraction(1, 25), end_seconds=Fraction(4, 25))
    crops = decode(replace(task(video), video=part))
    assert (darkness(crops) > 0.15).tolist() == [True, False, True]
    assert len(decode(task(video, look=replace(LOOK, fps="50")))) == 12


def test_the_face_that_counts_can_be_told(tmp_path: Path) -> None:
    two = drawn(DrawnFace(90, 150, 130, opening=0.06), DrawnFace(270, 150, 150, opening=0.0))
    path = write_frames(tmp_path / "two.mp4", [two, two])
    assert darkness(decode(task(path)))[0] < 0.1 < darkness(decode(task(path, face=1)))[0]
    with pytest.raises(VideoError, match="no 3 faces at once found in its 2 frames"):
        decode(task(path, face=3))


def test_a_fixed_crop_needs_no_face(tmp_path: Path) -> None:
    frame = np.full((288, 360, 3), 128, np.uint8)
    frame[190:213, 80:220] = 30
    path = write_frames(tmp_path / "fixed.mp4", [frame, frame])
    fixed = LipInput(height=46, width=140, channels=1, crop=FIXED)
    crops = decode(task(path, look=fixed))
    assert crops.shape == (2, 46, 140, 3)
    assert crops[0, :20].mean() == pytest.approx(30, abs=4)
    with pytest.raises(VideoError, match="all pixels of its 2 frames are equal"):
        decode(task(write_frames(tmp_path / "grey.mp4", [np.full_like(frame, 128)] * 2), look=fixed))


def test_a_video_without_a_face_fails_alone(video: Path, tmp_path: Path) -> None:
    empty = write_frames(tmp_path / "empty.mp4", [np.full((96, 128, 3), 90, np.uint8)] * 3)
    with closing(ClipDecoderPool(1, MOUTHS)) as pool:
        first, second, third = pool.decode([task(video), task(empty), task(tmp_path / "nowhere.mp4")])
    assert isinstance(first, np.ndarray)
    np.testing.assert_array_equal(first, decode(task(video)))
    assert isinstance(second, VideoError)
    assert (second.code, "no face found in its 3 frames" in second.message) == (FailureCode.NO_FACE, True)
    assert isinstance(third, VideoError)
    assert third.code is FailureCode.MISSING
