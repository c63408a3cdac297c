"""Frames are numbered by their timestamps, whatever the container, its offset and its damage."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from extractors.cutting.frame_list import list_frames
from schemas.outcomes import VideoError
from tests.support.cutting import CLIPS, VARIABLE
from tests.support.videos import TICKS, Clip, join_ts, remux, write_video


def test_variable_distances_are_the_timestamps_own(tmp_path: Path) -> None:
    frames = list_frames(str(write_video(tmp_path / "a.mp4", CLIPS["variable.mp4"])))
    assert frames.is_sure
    assert [frames.seconds_of(pts) for pts in frames.timestamps] == [Fraction(pts, TICKS) for pts in VARIABLE]
    assert frames.pts_of(100) == frames.end_pts
    exactly = Fraction(VARIABLE[40], TICKS)
    assert frames.first_from(exactly) == 40
    assert frames.first_from(exactly + Fraction(1, TICKS)) == 41
    assert list(frames.between(frames.pts_of(3), frames.pts_of(6))) == list(frames.timestamps[3:6])


def test_the_player_starts_with_the_earliest_stream(tmp_path: Path) -> None:
    late = write_video(tmp_path / "a.ts", CLIPS["offset.ts"])
    with_sound = list_frames(str(late))
    assert 0 < with_sound.clock_seconds < Fraction(1, 10)  # the sound begins before the pictures
    alone = list_frames(str(remux(late, tmp_path / "b.ts", shift_ticks=90_000, format="mpegts")))
    assert alone.clock_seconds == 0
    assert alone.duration_seconds == with_sound.duration_seconds == 4


def test_a_clock_that_is_set_back_goes_on(tmp_path: Path) -> None:
    part = write_video(tmp_path / "a.ts", Clip(frames=25, format="mpegts")).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(join_ts(part, part))
    frames = list_frames(str(joined))
    assert len(frames) == 50
    assert not frames.is_sure
    assert [frames.seconds_of(pts) for pts in frames.timestamps] == [Fraction(number, 25) for number in range(50)]


def test_lost_frames_are_gaps_without_a_number(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", Clip(frames=100, gop=10, b_frames=0, format="mpegts"))
    data = path.read_bytes()
    packets = len(data) // 188
    path.write_bytes(data[: packets * 2 // 5 * 188] + data[packets * 4 // 5 * 188 :])
    frames = list_frames(str(path))
    assert not frames.is_sure
    assert frames.gaps == 1
    assert len(frames) < 100


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError):
        list_frames(str(tmp_path / "a.mp4"))
