"""Frame times of a long video, found from its ends and its index, equal those of reading all of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from extractors.clips import decode, frame_times
from extractors.clips.decode import decode_clips
from extractors.clips.frame_times import IndexedTimes, list_times
from extractors.clips.sampling import ClipSampling
from extractors.video import groups
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.groups import CodedFrame
from extractors.video.media import open_media
from schemas.clips import UNIT, ClipFormat
from tests.extractors.clips.test_decode import B_FRAMES, CLIPS, form, numbers
from tests.support.videos import Clip, write_video

INDEXED = [name for name, (suffix, _) in CLIPS.items() if suffix in (".mp4", ".mkv", ".webm")]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: write_video(folder / f"{number}{CLIPS[name][0]}", CLIPS[name][1]) for number, name in enumerate(INDEXED)
    }


@pytest.mark.parametrize("name", INDEXED)
def test_ends_and_frames_equal_those_of_a_full_read(name: str, videos: dict[str, Path]) -> None:
    with open_media(videos[name]) as media:
        listed = list_times(media)
    assert len(listed.frames) == 200
    with open_media(videos[name]) as media:
        indexed = IndexedTimes(media, videos[name])
        assert (indexed.origin, indexed.end_pts) == (listed.origin, listed.end_pts)
        whole = indexed.sequence(listed.origin, listed.end_pts)
        assert whole.count == 200
        for first, last in ((0, 3), (90, 120), (195, 199), (24, 26)):
            positions = [Fraction(number) for number in range(first, last + 1)]
            assert whole.timestamps(positions) == list(listed.frames[first : last + 1])
        part = (listed.frames[60] + 1, listed.frames[140])
        sequence = indexed.sequence(*part)
        assert sequence.count == listed.sequence(*part).count == 80
        assert sequence.timestamps([Fraction(5), Fraction(79)]) == [listed.frames[65], listed.frames[139]]


@pytest.mark.parametrize("name", INDEXED)
def test_clips_of_long_videos(name: str, videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Long is what is longer than a second."""
    whole = [
        decode_clips(videos[name], form(8, fps), ClipSampling(views=views, placement=placement), seed=3)
        for fps in (None, "5")
        for views, placement in ((1, "central"), (3, "central"), (2, "random"), (2, "equal"))
    ]
    monkeypatch.setattr(frame_times, "LISTED_SECONDS", 1)
    long = [
        decode_clips(videos[name], form(8, fps), ClipSampling(views=views, placement=placement), seed=3)
        for fps in (None, "5")
        for views, placement in ((1, "central"), (3, "central"), (2, "random"), (2, "equal"))
    ]
    is_exact = name not in ("h264 of variable rate in Matroska", "h264 fragmented")
    for number, (expected, clips) in enumerate(zip(whole, long, strict=True)):
        found = numbers(clips)
        if is_exact or number > 3:
            assert found == numbers(expected)
        for view in found if number < 3 else []:
            assert view == list(range(view[0], view[0] + 8))  # neighbours, wherever they are


@pytest.mark.parametrize(("suffix", "fps"), [(".mp4", None), (".mkv", None), (".mp4", "2")])
def test_cost_does_not_grow_with_the_length(
    suffix: str, fps: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_packet = groups._coded_frame
    read: list[int] = []

    def count_packet(number: int, packet: Any, *rest: Any) -> CodedFrame:
        read.append(packet.size)
        return read_packet(number, packet, *rest)

    monkeypatch.setattr(groups, "_coded_frame", count_packet)
    clip_format = ClipFormat(frames=8, height=56, width=56, resize=(64,), fps=fps, **UNIT)
    costs = []
    for seconds in (70, 210):
        options = {"x264-params": "keyint=25:min-keyint=25:scenecut=0:bframes=2", "preset": "ultrafast"}
        video = Clip(frames=5 * seconds, rate=5, width=96, height=64, options=options)
        path = write_video(tmp_path / f"{seconds}{suffix}", video)
        read.clear()
        assert decode_clips(path, clip_format, ClipSampling()).shape == (1, 8, 56, 56, 3)
        costs.append(len(read))
    assert (
        costs[1] <= costs[0] + 25 < 250
    )  # of 350 and 1050 packets; by a group more, where the middle is near its edge


def test_a_wrong_duration_in_the_header_is_not_used(tmp_path: Path) -> None:
    """An MP4 whose header declares ten times its duration."""
    path = write_video(tmp_path / "long.mp4", Clip(frames=200))
    content = bytearray(path.read_bytes())
    for box in (b"mvhd", b"mdhd", b"tkhd"):
        at = content.index(box) + 4
        place = at + (20 if box == b"tkhd" else 16)
        length = int.from_bytes(content[place : place + 4], "big") * 10
        content[place : place + 4] = length.to_bytes(4, "big")
    path.write_bytes(content)
    for fps in (None, "25"):
        assert numbers(decode_clips(path, form(16, fps), ClipSampling())) == [list(range(92, 108))]


def test_a_jump_of_the_timestamps_is_unsure(tmp_path: Path) -> None:
    pts = [number * 3600 for number in range(50)] + [10**8 + number * 3600 for number in range(50)]
    path = write_video(tmp_path / "jump.mkv", Clip(frames=100, pts=pts))
    with open_media(path) as media, pytest.raises(UnsureStructureError, match="timestamps jump"):
        list_times(media)


def test_frames_hidden_by_an_edit_list_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "whole.mp4", Clip(frames=200, options=B_FRAMES))
    path = tmp_path / "cut.mp4"
    with (
        av.open(str(source)) as reading,
        av.open(str(path), "w", options={"use_editlist": "1", "avoid_negative_ts": "0"}) as writing,
    ):
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        assert video.time_base is not None
        for packet in reading.demux(video):
            if packet.pts is not None and packet.dts is not None:
                packet.pts -= int(Fraction(10, 25) / video.time_base)
                packet.dts -= int(Fraction(10, 25) / video.time_base)
                packet.stream = copy
                writing.mux(packet)
    monkeypatch.setattr(frame_times, "LISTED_SECONDS", 1)
    monkeypatch.delattr(decode, "fully_decoded_clips")
    for fps in (None, "25"):
        found = numbers(decode_clips(path, form(7, fps), ClipSampling(views=3)))
        assert found == [list(range(first, first + 7)) for first in (10, 101, 193)]
