"""Whatever a decoder meets becomes a `VideoError` with its code."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from cluster.clips.decoder import ClipTask
from cluster.clips.guarded_decode import guarded_decode, outcome_of, response_of
from cluster.engines.guarded_processes import Response
from extractors.clips.sampling import ClipSampling
from extractors.video.media import Source
from schemas.clips import UNIT, ClipFormat
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video

FRAMES = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)


def task(path: Path, time_seconds: float = 60.0) -> ClipTask:
    form = ClipFormat(frames=1, height=2, width=2, resize=(2, 2), fps=None, **UNIT)
    return ClipTask(Video("a", str(path)), form, ClipSampling(), 0, 1 << 30, time_seconds)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a").write_bytes(b"video")
    return tmp_path / "a"


def test_frames_pass(file: Path) -> None:
    assert guarded_decode(lambda source: FRAMES, task(file)) is FRAMES


def test_a_bug_and_a_limit_have_their_codes(file: Path) -> None:
    def broken(source: Source) -> np.ndarray:
        raise KeyError("x")

    def slow(source: Source) -> np.ndarray:
        for _ in range(1000):
            time.sleep(0.01)
        return FRAMES

    with pytest.raises(VideoError, match="an error in this program") as caught:
        guarded_decode(broken, task(file))
    assert caught.value.code is FailureCode.INTERNAL
    with pytest.raises(VideoError, match=r"took more than 0\.1 s \(--time-limit\)"):
        guarded_decode(slow, task(file, 0.1))


def test_frames_of_any_number_arrive_as_they_left() -> None:
    found = outcome_of(response_of(lambda: FRAMES), (-1, 2, 2, 3))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, FRAMES)
    assert isinstance(outcome_of(Response({}, b"12345"), (-1, 2, 2, 3)), VideoError)
