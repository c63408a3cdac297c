"""The pictures and the sound of joined recordings share one clock, however the clocks of the parts relate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from extractors.video.media import open_media
from extractors.video.packets import PacketReader
from tests.support.recordings import JOINABLE, Recording, join, sampled, write_recording

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "videos" / "two_parts_joined.ts"
Part = Callable[..., Path]


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Writes a recording of MPEG-TS, or of the container `suffix`."""

    def write(first: int, suffix: str = ".ts", **changes: Any) -> Path:
        recording = replace(JOINABLE[suffix], first=first, **changes)
        return write_recording(tmp_path / f"part {first} {len(list(tmp_path.iterdir()))}{suffix}", recording)

    return write


def count(stop: int) -> dict[int, int]:
    return {index: index for index in range(stop)}


def assert_continuous(path: Path, seconds: int, tolerance_seconds: float = 0.11) -> None:
    for selective in (True, False):
        result = sampled(path, selective=selective)
        assert result.numbers == result.tones == count(seconds)
        assert result.missing == []
        assert result.extent.spliced_seconds == pytest.approx(seconds, abs=tolerance_seconds)


def delayed(packets: bytes, seconds: int) -> bytes:
    """Transport packets with later timestamps in the headers of their video and audio."""
    data = bytearray(packets)
    for start in range(0, len(data), 188):
        payload = start + 4 + (1 + data[start + 4] if data[start + 3] & 0x20 else 0)
        if not data[start + 1] & 0x40 or data[payload : payload + 3] != b"\0\0\1":
            continue
        for number in range({2: 1, 3: 2}.get(data[payload + 7] >> 6, 0)):  # a presentation time, a decoding time
            stamp = payload + 9 + 5 * number
            ticks = (data[stamp] >> 1 & 7) << 30 | int.from_bytes(data[stamp + 1 : stamp + 3]) >> 1 << 15
            ticks += (int.from_bytes(data[stamp + 3 : stamp + 5]) >> 1) + 90_000 * seconds
            data[stamp] = data[stamp] & 0xF1 | ticks >> 30 << 1
            data[stamp + 1 : stamp + 3] = ((ticks >> 15 & 0x7FFF) << 1 | 1).to_bytes(2)
            data[stamp + 3 : stamp + 5] = ((ticks & 0x7FFF) << 1 | 1).to_bytes(2)
    return bytes(data)


@pytest.mark.parametrize("suffix", JOINABLE)
def test_joined_recordings_follow_each_other(suffix: str, part: Part, tmp_path: Path) -> None:
    parts = [part(first, suffix) for first in (0, 3, 6)]
    assert_continuous(join(tmp_path / f"two{suffix}", *parts[:2]), 6)
    assert_continuous(join(tmp_path / f"three{suffix}", *parts), 9)


def test_a_found_file() -> None:
    for selective in (True, False):
        result = sampled(FIXTURE, selective=selective)
        assert list(result.numbers) == list(range(6))
        assert list(result.tones.values()) == [-1, 0, 1, 2, 3, 4]  # tone k has 200 + 100 k Hz
        assert result.extent.spliced_seconds == 6


@pytest.mark.parametrize("suffix", JOINABLE)
@pytest.mark.parametrize("seconds", [30, 1000])
def test_a_clock_that_leaps_ahead(seconds: int, suffix: str, part: Part, tmp_path: Path) -> None:
    path = join(tmp_path / f"leap{suffix}", part(0, suffix), part(3, suffix, start=float(seconds)), part(6, suffix))
    assert_continuous(path, 9, 0.26 if suffix == ".flv" else 0.11)  # FLV does not say how long a frame lasts


def test_a_clock_that_leaps_half_a_day_ahead(part: Part, tmp_path: Path) -> None:
    assert_continuous(join(tmp_path / "leap.ts", part(0), part(3, start=40_000.0), part(6)), 9)


@pytest.mark.parametrize("seconds", [0, 30, 1000])
def test_parts_without_sound(seconds: int, part: Part, tmp_path: Path) -> None:
    path = join(tmp_path / "silent.ts", part(0, sound=None), part(3, sound=None, start=float(seconds)))
    for selective in (True, False):
        result = sampled(path, selective=selective)
        assert result.numbers == count(6)
        assert result.missing == []


def test_the_33_bits_of_a_clock_may_overflow(part: Part, tmp_path: Path) -> None:
    assert_continuous(join(tmp_path / "wrap.ts", part(0, start=95_430.0), part(3, start=95_000.0)), 6)
    whole = sampled(part(0, start=95_442.0))  # within a part, libav counts on
    assert whole.numbers == whole.tones == count(3)
    assert whole.extent.spliced_seconds is None


def test_a_shorter_leap_is_a_hole(part: Part, tmp_path: Path) -> None:
    path = join(tmp_path / "hole.ts", part(0), part(3, start=8.0))
    for selective in (True, False):
        result = sampled(path, selective=selective)
        assert result.numbers == result.tones == {0: 0, 1: 1, 2: 2, 8: 3, 9: 4, 10: 5}
        assert result.missing == [(3, 8)]


def test_a_leap_within_the_recording_is_a_hole(part: Part, tmp_path: Path) -> None:
    """Half a minute is missing, less than what precedes it."""
    path = join(tmp_path / "hole.ts", part(0, seconds=40), part(40, start=70.0))
    assert sampled(path).missing == [(40, 70)]


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".webm"])
@pytest.mark.parametrize(
    ("changes", "tones"),
    [
        ({"sound": None}, [0, 1, 2, None, None, None, 6, 7, 8]),
        ({"sound_start": 2.0, "sound_seconds": 1.0}, [0, 1, 2, None, None, 3, 6, 7, 8]),
        ({"sound_seconds": 1.0}, [0, 1, 2, 3, None, None, 6, 7, 8]),
        ({"start": 2.0, "sound_start": 0.0, "sound_seconds": 7.0}, [0, 1, 2, 5, 6, 7, 6, 7, 8]),
    ],
    ids=["silent", "late", "short", "early and long"],
)
def test_sound_keeps_its_distance_to_the_pictures_of_its_part(
    suffix: str, changes: dict[str, Any], tones: list[int | None], part: Part, tmp_path: Path
) -> None:
    path = join(tmp_path / f"joined{suffix}", part(0, suffix), part(3, suffix, **changes), part(6, suffix))
    for selective in (True, False):
        result = sampled(path, selective=selective)
        assert result.numbers == count(9)
        assert list(result.tones.values()) == tones


def test_sound_of_a_part_stops_with_its_pictures(part: Part, tmp_path: Path) -> None:
    path = join(tmp_path / "joined.ts", part(0, sound_seconds=5.0), part(3, sound=None))
    assert list(sampled(path).tones.values()) == [0, 1, 2, None, None, None]


def test_parts_may_differ_in_size_and_identifiers(part: Part, tmp_path: Path) -> None:
    other = part(3, width=160, height=96, container_options={"mpegts_start_pid": "512"})
    assert_continuous(join(tmp_path / "joined.ts", part(0), other, part(6)), 9)


def test_a_part_of_another_codec_is_missing(part: Part, tmp_path: Path) -> None:
    path = join(tmp_path / "joined.ts", part(0), part(3, codec="mpeg2video", rate=25), part(6))
    for selective in (True, False):
        result = sampled(path, selective=selective)
        ((first, stop),) = result.missing
        assert first == 3
        assert 2 <= stop - first <= 4
        assert list(result.numbers.values()) == [0, 1, 2, 6, 7, 8]


def test_the_last_picture_before_a_splice_is_not_damaged(part: Part, tmp_path: Path) -> None:
    """The continuity counters start anew, by which libav knows lost packets."""
    path = join(tmp_path / "joined.ts", part(0), part(3))
    assert sampled(path, 10).missing == sampled(path, 10, selective=False).missing == []


def test_a_hole_in_a_part_is_missing(part: Part, tmp_path: Path) -> None:
    data = part(3, seconds=6).read_bytes()
    packets = len(data) // 188
    (tmp_path / "holed.ts").write_bytes(data[: packets * 2 // 5 * 188] + data[packets * 4 // 5 * 188 :])
    result = sampled(join(tmp_path / "joined.ts", part(0), tmp_path / "holed.ts"))
    ((first, stop),) = result.missing
    assert 4 <= first < stop <= 9
    assert all(number == index for index, number in result.numbers.items())


def test_a_cut_part_starts_with_its_first_key_frame(part: Part, tmp_path: Path) -> None:
    """Its first pictures would be decoded on pictures of the part before it."""
    with open_media(part(3)) as media:
        position = [packet.pos for packet in media.container.demux(media.video) if packet.size][3]
    assert position is not None
    head, body = part(3).read_bytes()[: 3 * 188], part(3).read_bytes()[position // 188 * 188 :]  # with the tables
    (tmp_path / "cut.ts").write_bytes(head + body)
    for selective in (True, False):
        result = sampled(join(tmp_path / "joined.ts", part(0), tmp_path / "cut.ts"), selective=selective)
        assert result.missing == [(3, 4)]
        assert {index: number for index, number in result.numbers.items() if index < 3} == count(3)


def test_a_clock_that_leaps_while_the_encoder_goes_on_loses_nothing(part: Part, tmp_path: Path) -> None:
    long = replace(Recording(), seconds=6, options={"x264-params": "keyint=infinite:bframes=0"})
    data = write_recording(tmp_path / "long.ts", long).read_bytes()
    with open_media(tmp_path / "long.ts") as media:
        position = [packet.pos for packet in media.container.demux(media.video) if packet.size][30]
    assert position is not None
    cut = position // 188 * 188
    (tmp_path / "leap.ts").write_bytes(data[:cut] + delayed(data[cut:], seconds=1000))
    assert_continuous(tmp_path / "leap.ts", 6)


def test_an_audio_clock_that_jumps_alone_starts_no_part(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "late.mkv", Recording(seconds=20, sound_start=15.0, sound_seconds=4.0))
    with open_media(path) as media:
        reader = PacketReader(media)
        assert sum(1 for packet in reader if packet.size) == 200
        assert not reader.is_spliced
    assert list(sampled(path, selective=False).tones.values()) == [*[None] * 15, 0, 1, 2, 3, None]
