"""VP8 and VP9: key frames are entries, hidden frames are known, and nothing is thought disposable."""

from __future__ import annotations

import pytest

from extractors.video.bitstream.picture import Picture, UnsureStructureError
from extractors.video.bitstream.vpx import read_vp8, read_vp9
from tests.support.packets import Coded, assert_damage_is_unsure_at_worst, assert_promises_hold, coded
from tests.support.videos import Clip, write_video

CLIPS = {
    "vp8": (".webm", Clip("libvpx", gop=20, options={"cpu-used": "8", "lag-in-frames": "0"})),
    "vp9": (".webm", Clip("libvpx-vp9", gop=20, options={"cpu-used": "8", "lag-in-frames": "16"})),
    "vp9 profile 1": (".mkv", Clip("libvpx-vp9", gop=20, pix_fmt="yuv444p", options={"cpu-used": "8"})),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Coded]:
    folder = tmp_path_factory.mktemp("videos")
    videos = {}
    for number, (name, (suffix, clip)) in enumerate(CLIPS.items()):
        changed = Clip(clip.codec, 60, 25, 96, 64, clip.pix_fmt, clip.options, clip.gop)
        videos[name] = coded(write_video(folder / f"{number}{suffix}", changed))
    return videos


@pytest.mark.parametrize("name", CLIPS)
def test_the_decoder_confirms_the_parsed_structure(name: str, videos: dict[str, Coded]) -> None:
    assert_promises_hold(videos[name])


@pytest.mark.parametrize("name", CLIPS)
def test_entries_are_key_frames_and_shown_packets_give_frames(name: str, videos: dict[str, Coded]) -> None:
    pictures, frames = videos[name].pictures(), videos[name].decode()
    assert [n for n, picture in enumerate(pictures) if picture.shown] == sorted(frames)
    entries = [n for n, picture in enumerate(pictures) if picture.random_access]
    assert entries == [n for n, frame in sorted(frames.items()) if frame.is_key]
    assert len(entries) >= 2
    assert not any(picture.disposable or picture.needs_previous for picture in pictures)


@pytest.mark.parametrize("name", CLIPS)
def test_damaged_packets_are_unsure_at_worst(name: str, videos: dict[str, Coded]) -> None:
    packets = [*videos[name].packets, b"\x00"]
    if name == "vp8":  # whose frame tag has no illegal values: only nothing at all is refused
        packets = [packet[:1] for packet in packets]
    assert_damage_is_unsure_at_worst(videos[name].reader, packets, 4000)


def test_vp8_hidden_frames() -> None:
    assert read_vp8(b"\x10") == Picture(random_access=True)
    assert read_vp8(b"\x11") == Picture()
    assert read_vp8(b"\x01") == Picture(shown=False)


def test_a_vp9_superframe_combines_all_its_frames() -> None:
    key, hidden, shown = b"\x82" + b"k" * 9, b"\x84" + b"h" * 4, b"\x86" + b"s" * 4
    index = bytes([0xC1, len(hidden), len(shown), 0xC1])
    assert read_vp9(key) == Picture(random_access=True)
    assert read_vp9(hidden) == Picture(shown=False)
    assert read_vp9(hidden + shown + index) == Picture()
    assert read_vp9(b"\x88") == Picture()  # show_existing_frame
    with pytest.raises(UnsureStructureError, match="do not add up"):
        read_vp9(hidden + bytes([0xC1, 200, 5, 0xC1]))


@pytest.mark.parametrize("packet", [b"", b"\x00", b"\x42\x00"])
def test_vp9_without_its_marker_is_unsure(packet: bytes) -> None:
    with pytest.raises(UnsureStructureError):
        read_vp9(packet)
