"""The index numbers frames as presentation does, and is there where it is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors.clips.frame_index import FrameIndex
from extractors.clips.frame_times import list_times
from extractors.video.groups import read_groups
from extractors.video.media import open_media
from extractors.video.packets import PacketReader
from tests.extractors.clips.test_decode import B_FRAMES
from tests.support.videos import Clip, write_video


def test_each_group_has_the_number_of_its_first_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", Clip(frames=100, options=B_FRAMES))
    with open_media(path) as media:
        frames = list_times(media).frames
    with open_media(path) as media:
        index = FrameIndex.of(media)
        assert index is not None
        assert index.count == 100
        for group, _ in read_groups(media, PacketReader(media, is_strict=True)):
            assert frames[index.number_of(group)] == group.shown()[0].pts
        for number in (0, 1, 50, 99):
            assert index.earliest_pts(number) <= frames[number]


@pytest.mark.parametrize(
    ("suffix", "options"), [(".mkv", {}), (".ts", {}), (".mp4", {"movflags": "empty_moov+frag_keyframe"})]
)
def test_other_files_have_no_complete_index(suffix: str, options: dict[str, str], tmp_path: Path) -> None:
    path = write_video(tmp_path / f"clip{suffix}", Clip(frames=50, container_options=options))
    with open_media(path) as media:
        assert FrameIndex.of(media) is None
