"""`framemill.sample`: the frames of the jobs, as a user of the package gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import framemill
from extractors.video.decode import sample_frames
from tests.support.videos import Clip, read_number, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("frames") / "a.mp4", Clip(frames=100))


def test_frames_are_those_on_screen_at_their_times(video: Path) -> None:
    found = list(framemill.sample(video, fps=2))
    assert [frame.seconds for frame in found] == [k / 2 for k in range(8)]
    assert [read_number(frame.image) for frame in found] == [k * 25 // 2 for k in range(8)]


def test_frames_are_those_of_the_jobs(video: Path) -> None:
    for mine, theirs in zip(framemill.sample(str(video)), sample_frames(video), strict=True):
        np.testing.assert_array_equal(mine.image, theirs.image)


def test_a_part_of_a_video(video: Path) -> None:
    assert [frame.seconds for frame in framemill.sample(video, start_seconds=1, end_seconds=3)] == [1.0, 2.0]


def test_bounds_are_as_they_are_written(video: Path) -> None:
    times = [frame.seconds for frame in framemill.sample(video, fps=10, start_seconds=0.1, end_seconds=0.3)]
    assert times == [0.1, 0.2]


def test_what_is_no_number_is_refused_at_once(video: Path) -> None:
    for wrong in ({"fps": 0}, {"fps": "fast"}, {"start_seconds": "late"}, {"end_seconds": float("inf")}):
        with pytest.raises(framemill.InputError, match="are numbers of seconds"):
            framemill.sample(video, **wrong)


def test_a_file_uri_is_a_path(video: Path) -> None:
    assert len(list(framemill.sample(video.as_uri()))) == 4


def test_a_video_elsewhere_is_refused_with_what_reads_it() -> None:
    with pytest.raises(framemill.InputError, match=r"gs://bucket/a\.mp4 is not on this machine: framemill\.extract"):
        framemill.sample("gs://bucket/a.mp4")


def test_what_is_no_video_is_a_video_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"text")
    with pytest.raises(framemill.VideoError, match="not a"):
        list(framemill.sample(tmp_path / "a.mp4"))
