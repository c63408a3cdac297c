"""Packets are read in order, audio packets are passed on, and holes differ from still frames."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest
from av.packet import Packet, PacketSideData

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.media import open_media
from extractors.video.packets import PacketReader, has_side_data
from extractors.video.waveform import Waveform
from tests.support.videos import TICKS, Clip, write_video

LOUD = Clip(frames=250, gop=25, sound="aac")
SILENT = Clip(frames=250, gop=25)


def holes(data: bytes, *, with_sound: bool = True) -> list[float]:
    """Times in seconds of the packets that follow a hole."""
    with open_media(io.BytesIO(data)) as media:
        reader = PacketReader(media, Waveform() if with_sound else None)
        found = []
        for packet in reader:
            if reader.follows_hole:
                assert packet.pts is not None
                found.append(float(packet.pts * packet.time_base))
        return found


def without(data: bytes, start: float, end: float, *, zeros: bool) -> bytes:
    first, last = int(len(data) * start), int(len(data) * end)
    return data[:first] + (bytes(last - first) if zeros else b"") + data[last:]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mpg", ".flv"])
def test_all_packets_of_an_intact_file_are_read_in_order_without_holes(suffix: str, tmp_path: Path) -> None:
    codec = {".flv": "flv", ".mpg": "mpeg2video"}.get(suffix, "libx264")
    sound = {".flv": "libmp3lame", ".mpg": "mp2"}.get(suffix, "aac")
    path = write_video(tmp_path / f"clip{suffix}", Clip(codec, 250, gop=25, sound=sound))
    with av.open(str(path)) as container:
        expected = [packet.dts for packet in container.demux(container.streams.video[0]) if packet.size]
    with open_media(path) as media:
        waveform = Waveform()
        reader = PacketReader(media, waveform, is_strict=True)
        assert [packet.dts for packet in reader if packet.size] == expected
        assert reader.audio_end_seconds == pytest.approx(10, abs=0.6)
        assert waveform.has_audio
    assert holes(path.read_bytes()) == []


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize(
    ("suffix", "clip"), [(".mkv", LOUD), (".ts", LOUD), (".mkv", SILENT), (".ts", SILENT)], ids=str
)
def test_missing_packets_are_one_hole(suffix: str, clip: Clip, zeros: bool, tmp_path: Path) -> None:
    data = without(write_video(tmp_path / f"clip{suffix}", clip).read_bytes(), 0.4, 0.65, zeros=zeros)
    (seconds,) = holes(data)
    assert 5 < seconds < 9
    with open_media(io.BytesIO(data)) as media, pytest.raises(UnsureStructureError):
        list(PacketReader(media, Waveform(), is_strict=True))


@pytest.mark.parametrize("sound", [None, "aac"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_still_frame_is_not_a_hole(suffix: str, sound: str | None, tmp_path: Path) -> None:
    stamps = [*range(0, 3 * TICKS, 3600), 9 * TICKS, 14 * TICKS]
    clip = Clip(frames=len(stamps), pts=stamps, sound=sound, sound_seconds=15.0)
    assert holes(write_video(tmp_path / f"still{suffix}", clip).read_bytes()) == []


def test_in_a_stream_a_still_frame_with_continuing_audio_is_not_a_hole(tmp_path: Path) -> None:
    stamps = [*range(0, 3 * TICKS, 3600), 9 * TICKS, 14 * TICKS]
    clip = Clip(frames=len(stamps), pts=stamps, sound="aac", sound_seconds=15.0)
    assert holes(write_video(tmp_path / "still.ts", clip).read_bytes()) == []


def test_a_restarted_clock_is_not_a_hole(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", LOUD).read_bytes()
    assert holes(part + part) == []


def test_timestamps_of_joined_recordings_go_on(tmp_path: Path) -> None:
    """The frames that libav marks because the continuity counters start anew are not damaged."""
    part = write_video(tmp_path / "part.ts", LOUD).read_bytes()
    with open_media(io.BytesIO(part * 3)) as media:
        reader = PacketReader(media, Waveform())
        splices, corrupt, times = [], [], []
        for number, packet in enumerate(packet for packet in reader if packet.size):
            assert packet.pts is not None
            splices += [number] if reader.follows_splice else []
            corrupt += [number] if reader.is_corrupt else []
            times.append(packet.pts)
        assert reader.is_spliced
        assert reader.audio_end_seconds == pytest.approx(30 + float(times[0] * packet.time_base), abs=0.6)
        assert reader.end_byte == pytest.approx(3 * len(part), abs=4000)
    assert (splices, corrupt) == ([250, 500], [])
    assert sorted(times) == list(range(times[0], times[0] + 750 * 3600, 3600))


def test_the_requested_side_data_is_found() -> None:
    packet: Packet[Any] = Packet(b"payload")
    assert not has_side_data(packet, "new_extradata")
    for number in (0, 1):  # a palette, a decoder configuration
        packet.set_sidedata(PacketSideData(number, 8))
    assert has_side_data(packet, "new_extradata")
    assert not has_side_data(packet, "encryption_info")
