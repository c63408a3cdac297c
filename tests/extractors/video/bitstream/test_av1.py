"""AV1: key frames are entries, and the decoder confirms that what is thought disposable is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from extractors.video.bitstream.av1 import Av1Reader, Sequence, read_sequence, refreshed_slots
from extractors.video.bitstream.bits import BitReader
from extractors.video.bitstream.picture import Picture, UnsureStructureError
from tests.support.packets import Coded, assert_damage_is_unsure_at_worst, assert_promises_hold, coded
from tests.support.videos import Clip, write_video

CLIPS = {
    "pyramid": (".mp4", ""),
    "low delay": (".mkv", ":pred-struct=1"),
    "film grain": (".mkv", ":film-grain=20"),
    "screen content": (".mp4", ":scm=1"),
    "no screen content": (".mp4", ":scm=0"),
    "super-resolution": (".mkv", ":superres-mode=1:superres-denom=12"),
    "switch frames": (".mkv", ":pred-struct=1:sframe-dist=7"),
}
KEY, INTER = b"\x32\x01\x10", b"\x32\x01\x30"
PLAIN = Sequence(True, screen_content=0, order_hint_bits=7)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Coded]:
    folder = tmp_path_factory.mktemp("videos")
    videos = {}
    for number, (name, (suffix, params)) in enumerate(CLIPS.items()):
        options = {"preset": "11", "svtav1-params": f"lp=1{params}"}
        clip = Clip("libsvtav1", 60, width=96, height=64, gop=20, options=options)
        videos[name] = coded(write_video(folder / f"{number}{suffix}", clip))
    return videos


@pytest.mark.parametrize("name", CLIPS)
def test_the_decoder_confirms_the_parsed_structure(name: str, videos: dict[str, Coded]) -> None:
    assert_promises_hold(videos[name])


@pytest.mark.parametrize("name", CLIPS)
def test_entries_are_the_key_frames_and_every_unit_gives_a_frame(name: str, videos: dict[str, Coded]) -> None:
    pictures, frames = videos[name].pictures(), videos[name].decode()
    assert sorted(frames) == list(range(60))
    assert all(picture.shown and not picture.needs_previous for picture in pictures)
    entries = [n for n, picture in enumerate(pictures) if picture.random_access]
    assert entries == [n for n, frame in sorted(frames.items()) if frame.is_key]
    assert len(entries) >= 2


@pytest.mark.parametrize("name", ["pyramid", "low delay", "film grain"])
def test_many_frames_are_disposable(name: str, videos: dict[str, Coded]) -> None:
    assert sum(picture.disposable for picture in videos[name].pictures()) >= 60 // 6


def test_damaged_packets_are_unsure_at_worst(videos: dict[str, Coded]) -> None:
    assert_damage_is_unsure_at_worst(videos["pyramid"].reader, [*videos["pyramid"].packets, b"\x00"], 4000)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "has no frame"),
        (b"\x12\x00", "has no frame"),  # a temporal delimiter alone
        (b"\x30\x00", "has no size"),
        (b"\x32\xff\xff", "does not end"),
        (b"\x0a\x01\x18\x32\x01\x10", "still picture"),
        (b"\x0a\x01\x00\x32\x01\x10", "ends in the middle"),
        (b"\x32\x00", "ends in the middle"),
    ],
)
def test_unreliable_units_are_unsure(packet: bytes, reason: str) -> None:
    with pytest.raises(UnsureStructureError, match=reason):
        Av1Reader()(packet)


def test_without_a_sequence_header_nothing_is_an_entry_or_disposable(videos: dict[str, Coded]) -> None:
    read = Av1Reader()
    assert read(KEY) == read(INTER) == Picture()
    whole = videos["low delay"]
    middle = [n for n, picture in enumerate(whole.pictures()) if picture.disposable]
    assert middle
    assert not any(read(whole.packets[n]).disposable for n in middle)


def test_a_sequence_header_before_another_frame_must_reach_the_decoder(videos: dict[str, Coded]) -> None:
    header = next(unit for unit in _units(videos["pyramid"].packets[0]) if unit[0] >> 3 == 1)
    assert Av1Reader()(header + KEY) == Picture(random_access=True)
    assert Av1Reader()(header + b"\x32\x05\x30\x00\x00\x00\x00").has_parameters


def test_a_packet_that_shows_an_existing_frame_is_needed(videos: dict[str, Coded]) -> None:
    read = videos["pyramid"].reader()
    read(videos["pyramid"].packets[0])
    assert read(b"\x1a\x01\x88") == Picture()


def test_fields_before_the_refreshed_slots_are_skipped() -> None:
    def slots(fields: str, sequence: Sequence = PLAIN, kind: int = 1, *, shown: bool = True) -> int:
        padded = fields.replace(" ", "")
        bits = BitReader(int(padded, 2).to_bytes(-(-len(padded) // 8), "big"))
        bits.u(-len(padded) % 8)
        return refreshed_slots(bits, sequence, kind, shown=shown)

    # resilient, probabilities stay, [screen content, [whole pixels,]] own size, order hint, [primary], slots
    assert slots("0 0 0 0000000 111 00000101") == 5
    assert slots("1 0 0 0000000 00000101") == 5
    assert slots("1 1 0 0 0000000 00000101", shown=False) == 5
    assert slots("0 0 0 0000000 10000001", kind=2) == 129
    assert slots("0 0 1 1 0 0000000 111 00000101", replace(PLAIN, screen_content=2, integer_motion=2)) == 5
    assert slots("0 0 0 0 0000000 111 00000101", replace(PLAIN, screen_content=2, integer_motion=2)) == 5
    assert slots("0 0 0 111 00000000", replace(PLAIN, order_hint_bits=0)) == 0
    assert slots("0", kind=3) == slots("0", kind=0) == 255
    assert slots("0 0 0 0 0000000 00000011", kind=0, shown=False) == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # still, reduced; timing; delay; operating points, layers; level; sizes; frame numbers; tools; order hints; …
        ("0000 0 0 0 00000 000000000000 00100 0000 0000 0 0 0 0000000 1 00 1 1 110", Sequence(True, 2, 2, 7)),
        ("0000 0 0 1 00000 000000000000 01000 1 1 1111 0000 0000 1 1 0 0000000 0 0 0", Sequence(True, 0, 2, 0)),
        ("0000 0 0 0 00000 000000000000 00100 0000 0000 0 0 0 0000000 0 0 1 0 1", Sequence(True, 1, 1, 0)),
        (
            f"0000 0 1 {'01' * 32} 1 00101 0 0 00000 000000000000 00100 00000000 00 0 0000000 0 0 0",
            Sequence(True, 0, 2),
        ),
        (f"0000 0 1 {'01' * 32} 0 1", Sequence(False)),  # a decoder model
        ("0000 0 0 0 00001", Sequence(False)),  # two operating points
        ("0000 0 0 0 00000 000100000011", Sequence(False)),  # layers
        ("0000 0 0 0 00000 000000000000 00100 0000 0000 0 0 1", Sequence(False)),  # numbered frames
    ],
)
def test_sequence_headers(fields: str, expected: Sequence) -> None:
    padded = fields.replace(" ", "")
    padded += "0" * (-len(padded) % 8)
    assert read_sequence(int(padded, 2).to_bytes(len(padded) // 8, "big")) == expected


def _units(packet: bytes) -> list[bytes]:
    """The units of a packet whose sizes all fit into a byte or two."""
    units = []
    while packet:
        size, head = packet[1] & 0x7F, 2
        if packet[1] & 0x80:
            size, head = size | (packet[2] & 0x7F) << 7, 3
        units.append(packet[: head + size])
        packet = packet[head + size :]
    return units
