"""Every frame is shown once, from its time until the next one's, however the timestamps are broken."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest

from extractors.video.decode import sample_frames
from extractors.video.full_decode import FullDecode
from extractors.video.media import open_media
from extractors.video.packets import PacketReader
from tests.support.videos import Clip, join_ts, read_number, remux, write_video


def shown(path: Path) -> list[tuple[int, int, int]]:
    """(number drawn, pts, end_pts) of every frame."""
    with open_media(path) as media:
        return [
            (read_number(frame.to_ndarray(format="rgb24")), pts, end_pts)
            for frame, pts, end_pts in FullDecode(media, PacketReader(media)).frames()
        ]


def restamped(source: Path, target: Path, stamp: Callable[[int], int]) -> Path:
    """Copy `source`, whose packets are 40 ms apart and in the order of display, with other timestamps."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        for number, packet in enumerate(packet for packet in reading.demux(video) if packet.size):
            packet.pts, packet.dts = stamp(number), min(stamp(number), 40 * number - 100)
            packet.stream = copy
            writing.mux(packet)
    return target


@pytest.mark.parametrize(
    ("suffix", "codec", "ticks"),
    [(".mp4", "libx264", 512), (".ts", "libx264", 3600), (".mkv", "libvpx-vp9", 40), (".avi", "libx264", 1)],
)
def test_frames_follow_each_other_without_gap_or_overlap(suffix: str, codec: str, ticks: int, tmp_path: Path) -> None:
    frames = shown(write_video(tmp_path / f"clip{suffix}", Clip(codec, 60)))
    assert [number for number, _, _ in frames] == list(range(60))
    for (_, _, end_pts), (_, pts, _) in pairwise(frames):
        assert pts == end_pts
    assert {end_pts - pts for _, pts, end_pts in frames} == {ticks}


def test_frames_without_timestamps_follow_their_predecessor(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.h264", Clip(frames=30, options={"x264-params": "bframes=0"}))
    frames = shown(path)
    assert [number for number, _, _ in frames] == list(range(30))
    assert all(left[2] == right[1] for left, right in pairwise(frames))


def test_a_frame_not_later_than_its_predecessor_is_dropped(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source.mkv", Clip("mpeg4", 30, b_frames=0))
    frames = shown(restamped(source, tmp_path / "copy.mkv", lambda number: 40 * number - 60 * (number == 10)))
    assert [number for number, _, _ in frames] == [number for number in range(30) if number != 10]
    assert all(left[2] == right[1] for left, right in pairwise(frames))


def test_after_a_backward_jump_timestamps_continue(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", Clip(frames=60, options={"x264-params": "bframes=0"})).read_bytes()
    path = tmp_path / "spliced.ts"
    path.write_bytes(join_ts(part, part))
    frames = shown(path)
    assert [number for number, _, _ in frames] == [*range(60), *range(60)]
    assert {right[1] - left[1] for left, right in pairwise(frames)} == {3600}


def test_a_damaged_packet_affects_its_group_only(tmp_path: Path) -> None:
    source = write_video(tmp_path / "clip.mkv", Clip(options={"x264-params": "keyint=25:bframes=0:scenecut=0"}))
    with av.open(str(source)) as container:
        packets = [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]
    data = source.read_bytes()
    assert data.count(packets[30]) == 1
    source.write_bytes(data.replace(packets[30], b"\xff" * len(packets[30])))
    numbers = [number for number, _, _ in shown(source)]
    assert numbers[:30] == list(range(30))
    assert numbers[-50:] == list(range(50, 100))


def test_a_stream_without_decodable_packets_gives_no_frames(tmp_path: Path) -> None:
    source = write_video(tmp_path / "clip.mkv", Clip("libvpx", 20, gop=100, options={"cpu-used": "8"}))
    assert shown(remux(source, tmp_path / "cut.mkv", skip_packets=1)) == []


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "mpeg4"), (".avi", "msmpeg4v2"), (".flv", "flv"), (".asf", "wmv1")]
)
def test_frames_on_a_grey_picture_are_damaged(suffix: str, codec: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / f"clip{suffix}", Clip(codec, 60, gop=20))
    assert [number for number, _, _ in shown(source)] == list(range(60))
    cut = remux(source, tmp_path / f"cut{suffix}", skip_packets=1)
    with open_media(cut) as media:
        decode = FullDecode(media, PacketReader(media))
        numbers = [read_number(frame.to_ndarray(format="rgb24")) for frame, _, _ in decode.frames()]
        assert numbers == list(range(20, 60))
        assert decode.head_pts is not None
        with open_media(cut) as again:
            first = next(packet for packet in again.container.demux(again.video))
        assert decode.head_pts == (first.pts if first.pts is not None else first.dts)


def test_a_key_frame_after_a_splice_gets_a_fresh_decoder(tmp_path: Path) -> None:
    """The leading pictures of an open group would refer to pictures of the part before it."""
    clip = Clip("mpeg2video", 60, gop=20, b_frames=2)
    part = write_video(tmp_path / "part.mkv", clip)
    with open_media(part) as media:
        keys = [number for number, packet in enumerate(media.container.demux(media.video)) if packet.is_keyframe]
    leading = remux(part, tmp_path / "leading.ts", skip_packets=keys[1])
    second = [number for number, _, _ in shown(leading)]
    assert second == list(range(keys[1] + 2, 60))
    (tmp_path / "joined.ts").write_bytes(write_video(tmp_path / "first.ts", clip).read_bytes() + leading.read_bytes())
    frames = shown(tmp_path / "joined.ts")
    assert [number for number, _, _ in frames] == [*range(60), *second]
    assert all(left[2] == right[1] for left, right in pairwise(frames))


def test_a_stream_that_appears_late_does_not_end_decoding(tmp_path: Path) -> None:
    silent = write_video(tmp_path / "silent.flv", Clip("flv", 500, width=96, height=48))
    loud = write_video(tmp_path / "loud.flv", Clip("flv", 150, width=96, height=48, sound="libmp3lame"))
    path = tmp_path / "late.flv"
    path.write_bytes(silent.read_bytes() + loud.read_bytes()[13:])  # without its file header
    with open_media(path) as media:
        assert media.audio is None
    for selective in (True, False):
        numbers = [read_number(sample.image) for sample in sample_frames(path, selective=selective)]
        assert numbers == [*range(0, 500, 25), *range(0, 150, 25)]
