"""The limit of a video's length, by its header and by what comes out of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from extractors.length_limit import LengthLimit
from extractors.video.decode import Sampler
from extractors.video.media import MAX_PIXELS, open_media
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.videos import Clip, write_video

LIMIT = LengthLimit(20, Fraction(5), "give parts of it")


def count(path: Path, **part: float) -> int:
    video = Video("a", str(path), **part)  # type: ignore[arg-type]
    with open_media(str(path), max_pixels=MAX_PIXELS) as media:
        LIMIT.header_duration(media, video)
        end = None if video.end_seconds is None else Fraction(video.end_seconds)
        sampler = Sampler(media, str(path), LIMIT.fps, max_pixels=MAX_PIXELS)
        return sum(1 for _ in LIMIT.within(sampler.samples(Fraction(video.start_seconds), end), video))


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])  # with an index, and without one
def test_what_is_longer_is_refused_and_its_parts_are_not(name: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, Clip(frames=150, width=96, height=48))
    with pytest.raises(VideoError, match=r"frames at 5 a second; the limit is 20 frames.*give parts of it") as caught:
        count(path)
    assert caught.value.code is FailureCode.TOO_LONG
    assert count(path, start_seconds=2) == 20
    assert count(path, end_seconds=3) == 15


def test_a_header_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", Clip(frames=150, width=96, height=48))
    with open_media(str(path), max_pixels=MAX_PIXELS) as media, pytest.raises(VideoError, match="lasts 6 s or more"):
        LIMIT.header_duration(media, Video("a", str(path)))
