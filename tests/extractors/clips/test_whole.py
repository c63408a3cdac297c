"""All frames of a video at a rate, by their time on screen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from extractors.clips import whole
from extractors.clips.whole import decode_whole
from schemas.outcomes import FailureCode, VideoError
from tests.support.videos import Clip, read_number, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "a.mp4", Clip(frames=30))


def numbers(frames: np.ndarray) -> list[int]:
    return [read_number(frame) for frame in frames]


def test_it_has_as_many_frames_as_it_lasts(video: Path) -> None:
    assert numbers(decode_whole(str(video), "25")) == list(range(30))
    assert numbers(decode_whole(str(video), "12.5")) == list(range(0, 30, 2))
    assert numbers(decode_whole(str(video), "50")) == [k // 2 for k in range(60)]


def test_frames_are_taken_by_their_time_and_not_by_their_number(tmp_path: Path) -> None:
    uneven = write_video(tmp_path / "uneven.mkv", Clip(frames=6, pts=[0, 3600, 10_800, 14_400, 18_000, 36_000]))
    assert numbers(decode_whole(str(uneven), "25"))[:11] == [0, 1, 1, 2, 3, 4, 4, 4, 4, 4, 5]


def test_a_part_is_that_between_its_times(video: Path) -> None:
    part = decode_whole(str(video), "25", start_seconds=Fraction(2, 5), end_seconds=Fraction(4, 5))
    assert numbers(part) == list(range(10, 20))
    assert numbers(decode_whole(str(video), "25", start_seconds=1, end_seconds=9)) == list(range(25, 30))
    with pytest.raises(VideoError, match=r"its part begins at 2 s, but the video lasts 1\.2 s"):
        decode_whole(str(video), "25", start_seconds=2)


def test_a_damaged_video_is_decoded_frame_by_frame(video: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.ts"
    write_video(cut, Clip(frames=30, gop=10))
    data = bytearray(cut.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 188] = bytes(188)
    cut.write_bytes(bytes(data))
    assert len(decode_whole(str(cut), "25")) == 30


def test_large_frames_are_reduced_and_small_ones_are_not(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode_whole(str(video), "25").shape == (30, 96, 192, 3)
    monkeypatch.setattr(whole, "MAX_SIDE", 48)
    assert decode_whole(str(video), "25").shape == (30, 48, 96, 3)


def test_a_long_video_is_refused_with_its_length(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "MAX_FRAMES", 29)
    with pytest.raises(VideoError, match="1 s or more, 30 frames at 25 a second; the limit is 29 frames") as caught:
        decode_whole(str(video), "25")
    assert caught.value.code is FailureCode.TOO_LONG
