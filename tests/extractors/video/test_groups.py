"""Every packet is in one group, groups know when the next one starts, and unreliable streams are unsure."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import extractors.video.groups
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.groups import FIRST_NUMBER, Group, read_groups
from extractors.video.media import open_media
from tests.support.videos import Clip, remux, write_video

CLOSED = {"x264-params": "keyint=20:bframes=3:scenecut=0"}
OPEN = {"x264-params": "keyint=20:bframes=3:open-gop=1:scenecut=0"}


def groups_of(path: Path) -> list[tuple[Group, Group | None]]:
    with open_media(path) as media:
        return list(read_groups(media, media.container.demux(media.video)))


def small(**changes: object) -> Clip:
    return Clip(**{"width": 96, "height": 48, "options": CLOSED} | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
@pytest.mark.parametrize("options", [CLOSED, OPEN])
def test_every_packet_is_in_one_group(suffix: str, options: dict[str, str], tmp_path: Path) -> None:
    groups = [group for group, _ in groups_of(write_video(tmp_path / f"clip{suffix}", small(options=options)))]
    assert [frame.number for group in groups for frame in group.frames] == list(range(FIRST_NUMBER, FIRST_NUMBER + 100))
    assert [len(group.frames) for group in groups] == ([20] * 5 if options is CLOSED else [100])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_every_group_is_paired_with_the_next(suffix: str, tmp_path: Path) -> None:
    pairs = groups_of(write_video(tmp_path / f"clip{suffix}", small()))
    for (group, following), (after, _) in pairwise(pairs):
        assert following is after
        assert group.shown()[-1].pts < after.shown()[0].pts
    assert pairs[-1][1] is None
    shown = [frame for group, _ in pairs for frame in group.shown()]
    ticks = shown[1].pts - shown[0].pts
    assert all(abs(right.pts - left.pts - ticks) <= 1 for left, right in pairwise(shown))  # Matroska rounds to 1 ms
    assert shown[-1].end_pts - shown[-1].pts == pytest.approx(ticks, abs=1)


@pytest.mark.parametrize(("limit", "most"), [("MAX_GROUP_PACKETS", 16), ("MAX_GROUP_SECONDS", 0.6)])
def test_a_group_above_the_limit_is_split(
    limit: str, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "clip.mp4", small(options={"x264-params": "keyint=infinite:bframes=3:scenecut=0"}))
    assert len(groups_of(path)) == 1
    monkeypatch.setattr(extractors.video.groups, limit, most)
    parts = [group for group, _ in groups_of(path)]
    assert [part.is_random_access for part in parts] == [True] + [False] * (len(parts) - 1)
    assert [frame.number for part in parts for frame in part.frames] == list(range(FIRST_NUMBER, FIRST_NUMBER + 100))
    assert max(len(part.frames) for part in parts) <= 16 + 4
    for left, right in pairwise(parts):
        assert left.shown()[-1].pts < right.shown()[0].pts


def test_leading_pictures_of_the_first_group_are_dropped(tmp_path: Path) -> None:
    source = write_video(tmp_path / "whole.mkv", Clip("mpeg2video", b_frames=2, width=96, height=48, gop=12))
    whole = groups_of(source)
    entry = whole[1][0].frames[0].number - FIRST_NUMBER
    pairs = groups_of(remux(source, tmp_path / "cut.mkv", skip_packets=entry))
    first = pairs[0][0]
    assert first.shown()[0] is first.frames[0]
    assert not any(frame.picture.needs_previous for frame in first.frames)
    assert len(first.left_out) == 2
    assert max(first.left_out) < first.frames[0].pts
    assert all(group.left_out == [] for group, _ in pairs[1:] + whole)
    assert any(frame.picture.needs_previous for frame in pairs[1][0].frames)


def test_a_stream_that_does_not_start_with_an_entry_is_unsure(tmp_path: Path) -> None:
    source = write_video(tmp_path / "whole.mkv", small())
    with pytest.raises(UnsureStructureError, match="does not start with a random access picture"):
        groups_of(remux(source, tmp_path / "cut.mkv", skip_packets=3))


@pytest.mark.parametrize(
    ("suffix", "clip", "doubt"),
    [
        (".avi", small(), "no presentation times"),
        (".mkv", Clip("ffv1", frames=5), "no syntax reader for codec ffv1"),
        (".h264", small(), r"has no timestamp|shown before it is decoded"),
    ],
)
def test_doubtful_streams_are_unsure(suffix: str, clip: Clip, doubt: str, tmp_path: Path) -> None:
    with pytest.raises(UnsureStructureError, match=doubt):
        groups_of(write_video(tmp_path / f"clip{suffix}", clip))


def test_timestamps_that_run_backwards_are_unsure(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", small()).read_bytes()
    (tmp_path / "twice.ts").write_bytes(part * 2)
    with pytest.raises(UnsureStructureError, match=r"run backwards|is damaged"):
        groups_of(tmp_path / "twice.ts")
