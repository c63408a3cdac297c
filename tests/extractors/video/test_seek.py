"""Reading starts at or before the target, in a group that decoding can start with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.groups import FIRST_NUMBER, read_groups
from extractors.video.media import Media, open_media
from extractors.video.seek import can_seek, groups_at
from tests.support.videos import Clip, write_video

CLIPS = {
    "h264": (".mp4", {"x264-params": "keyint=20:bframes=3:scenecut=0"}),
    "h264 in Matroska": (".mkv", {"x264-params": "keyint=20:bframes=3:scenecut=0"}),
    "one group": (".mp4", {"x264-params": "keyint=infinite:scenecut=0"}),
}


def written(name: str, folder: Path) -> Path:
    suffix, options = CLIPS[name]
    return write_video(folder / f"clip{suffix}", Clip(frames=150, width=96, height=48, options=options))


def reader(media: Media) -> Callable[[], Iterator[Any]]:
    return lambda: media.container.demux(media.video)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("preroll_seconds", [Fraction(0), Fraction(1, 4)])
def test_the_first_group_covers_the_target(name: str, preroll_seconds: Fraction, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    with open_media(path) as media:
        stamps = [
            frame.pts for group, _ in read_groups(media, media.container.demux(media.video)) for frame in group.shown()
        ]
    for index in (10, 33, 60, 99, 149):
        with open_media(path) as media:
            assert media.video.time_base is not None
            groups = list(groups_at(media, reader(media), stamps[index], preroll_seconds))
            opening = groups[0][0]
            assert opening.is_random_access
            assert opening.frames[0].pts <= stamps[index] - preroll_seconds / media.video.time_base
            shown = {frame.pts for group, _ in groups for frame in group.shown()}
            assert set(stamps[index:]) <= shown
            if name.startswith("h264"):
                assert stamps[index] - opening.frames[0].pts <= stamps[30] - stamps[0]  # no further back than needed


def test_a_target_before_the_first_frame_is_unsure(tmp_path: Path) -> None:
    with open_media(written("h264", tmp_path)) as media, pytest.raises(UnsureStructureError, match="no random access"):
        next(groups_at(media, reader(media), -100_000, Fraction(0)))


def test_the_search_goes_back_past_key_frames_that_are_not_entries(tmp_path: Path) -> None:
    options = {"x264-params": "keyint=20:bframes=3:open-gop=1:scenecut=0"}
    path = write_video(tmp_path / "open.mkv", Clip(frames=150, width=96, height=48, options=options))
    with open_media(path) as media:
        opening, _ = next(groups_at(media, reader(media), 3000, Fraction(0)))
    assert opening.is_random_access
    assert opening.frames[0].number == FIRST_NUMBER
    assert opening.frames[0].pts == 0


@pytest.mark.parametrize(
    ("suffix", "codec", "expected"),
    [
        (".mp4", "libx264", True),
        (".mov", "libx264", True),
        (".mkv", "libx264", True),
        (".webm", "libvpx", True),
        (".ts", "libx264", False),
        (".avi", "mpeg4", False),
        (".mpg", "mpeg2video", False),
        (".flv", "flv", False),
    ],
)
def test_only_indexed_containers_are_seeked(suffix: str, codec: str, expected: bool, tmp_path: Path) -> None:
    with open_media(write_video(tmp_path / f"clip{suffix}", Clip(codec, 5, width=96, height=48))) as media:
        assert can_seek(media) is expected
