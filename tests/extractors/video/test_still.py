"""The picture of a time, in containers and codecs that browsers do not play."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest

from extractors.video import still as module
from extractors.video.still import video_still
from extractors.video.thumbnail import Thumbnail
from schemas.outcomes import FailureCode, VideoError
from tests.support.videos import Clip, read_number, write_video

RATE = 25
FILES = [
    ("v.avi", Clip(codec="mpeg4", gop=12)),
    ("v.flv", Clip(codec="flv", gop=12)),
    ("v.ts", Clip(codec="libx264", gop=50)),
    ("v.mpg", Clip(codec="mpeg2video", gop=12)),
    ("v.wmv", Clip(codec="wmv2", gop=12)),
    ("v.mkv", Clip(codec="libx264", gop=200)),
    ("v.264", Clip(codec="libx264", gop=12, format="h264")),
]


def number_of(found: Thumbnail) -> int:
    with av.open(io.BytesIO(found.jpeg)) as container:
        return read_number(next(container.decode(video=0)).to_ndarray(format="rgb24"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stills")


@pytest.mark.parametrize(("name", "clip"), FILES, ids=[name for name, _ in FILES])
def test_the_frame_on_screen_at_a_time(folder: Path, name: str, clip: Clip) -> None:
    path = str(write_video(folder / name, clip))
    for seconds in (Fraction(0), Fraction(13, 10), Fraction(2), Fraction(39, 10), Fraction(60)):
        found = video_still(path, seconds, long_side=192)
        wanted = min(int(seconds * RATE), clip.frames - 1)
        assert abs(number_of(found) - wanted) <= 1, seconds  # FLV and AVI round times
        assert found.seconds == pytest.approx(number_of(found) / RATE, abs=0.05)


def test_an_index_that_leads_too_far_is_gone_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write_video(folder / "late.ts", Clip(frames=120, rate=5, gop=20, width=96, height=48)))
    seen: list[int] = []

    class Late(list[int]):
        """Margins, of which the first leads beyond the time."""

        def __iter__(self):  # type: ignore[no-untyped-def]
            for margin in (-8, 0, 4, 16):
                seen.append(margin)
                yield margin

    monkeypatch.setattr(module, "MARGINS_SECONDS", Late())
    assert number_of(video_still(path, 10, long_side=192)) == 50
    assert seen[:2] == [-8, 0]


def test_after_the_end_it_is_the_last_frame(folder: Path) -> None:
    """Raw H.264 has no index."""
    path = str(write_video(folder / "a.h264", Clip(frames=60, rate=8, b_frames=0)))
    for seconds in (Fraction(7), Fraction("7.3"), Fraction("7.5"), Fraction(8), Fraction(99)):
        found = video_still(path, seconds, long_side=192)
        assert number_of(found) == pytest.approx(min(int(seconds * 8), 59), abs=1)
        assert found.seconds == pytest.approx(number_of(found) / 8, abs=0.13)
    with open(path, "rb") as file:
        assert number_of(video_still(file, 99, long_side=192)) == 59


def test_it_is_as_small_as_asked_and_limits_hold(folder: Path) -> None:
    path = str(write_video(folder / "size.avi", Clip(codec="mpeg4", frames=10)))
    with av.open(io.BytesIO(video_still(path, 0, long_side=96).jpeg)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 48)
    with pytest.raises(VideoError) as caught:
        video_still(path, 0, long_side=96, max_pixels=1000)
    assert caught.value.code is FailureCode.ABSURD_DIMENSIONS
    with open(path, "rb") as file:
        assert number_of(video_still(file, Fraction(1, 5), long_side=192)) == 5


def test_a_file_without_a_frame_is_refused(folder: Path) -> None:
    path = write_video(folder / "whole.ts", Clip(codec="mpeg2video", frames=10))
    (folder / "text.ts").write_bytes(b"G" + path.read_bytes()[1:564] + bytes(10_000))
    with pytest.raises(VideoError):
        video_still(str(folder / "text.ts"), 0, long_side=96)
