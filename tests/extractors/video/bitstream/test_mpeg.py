"""MPEG-1, MPEG-2 and MPEG-4 part 2: the decoder confirms the structure that the readers parse from real packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors.video.bitstream.mpeg import Mpeg4Reader, MpegReader
from extractors.video.bitstream.picture import Picture, UnsureStructureError
from tests.support.packets import Coded, assert_damage_is_unsure_at_worst, assert_promises_hold, coded
from tests.support.videos import Clip, write_video

CLIPS = {
    "mpeg1": (".mpg", Clip("mpeg1video", b_frames=2)),
    "mpeg2": (".mkv", Clip("mpeg2video", b_frames=2)),
    "mpeg2 closed groups": (
        ".ts",
        Clip("mpeg2video", b_frames=2, options={"flags": "+cgop", "sc_threshold": "1000000000"}),
    ),
    "mpeg2 without B-frames": (".ts", Clip("mpeg2video", b_frames=0)),
    "mpeg4": (".mp4", Clip("mpeg4", b_frames=2)),
    "mpeg4 in AVI": (".avi", Clip("mpeg4")),
}


def encoded(name: str, folder: Path) -> Coded:
    suffix, clip = CLIPS[name]
    shortened = Clip(clip.codec, 60, 25, 96, 48, "yuv420p", clip.options, 12, clip.b_frames)
    return coded(write_video(folder / f"clip{suffix}", shortened))


@pytest.mark.parametrize("name", CLIPS)
def test_the_decoder_confirms_the_parsed_structure(name: str, tmp_path: Path) -> None:
    video = encoded(name, tmp_path)
    assert_promises_hold(video)
    pictures, frames = video.pictures(), video.decode()
    assert {n for n, picture in enumerate(pictures) if picture.random_access} == {
        n for n, frame in frames.items() if frame.kind == "I"
    }
    assert {n for n, picture in enumerate(pictures) if picture.disposable} == {
        n for n, frame in frames.items() if frame.kind == "B"
    }


def test_only_open_groups_have_pictures_that_depend_on_the_group_before(tmp_path: Path) -> None:
    assert any(picture.needs_previous for picture in encoded("mpeg2", tmp_path).pictures())
    assert not any(picture.needs_previous for picture in encoded("mpeg2 closed groups", tmp_path).pictures())


@pytest.mark.parametrize("name", ["mpeg1", "mpeg2", "mpeg4"])
def test_damaged_packets_are_unsure_at_worst(name: str, tmp_path: Path) -> None:
    video = encoded(name, tmp_path)
    assert_damage_is_unsure_at_worst(video.reader, video.packets, 4000)


def test_an_intra_picture_without_a_sequence_header_is_not_an_entry() -> None:
    intra = b"\x00\x00\x01\x00\x00\x08"
    assert MpegReader()(intra) == Picture()
    assert MpegReader()(b"\x00\x00\x01\xb3" + intra) == Picture(random_access=True)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "has no picture"),
        (b"\x00\x00\x01\x00\x00", "middle of a field"),
        (b"\x00\x00\x01\x00\x00\x20", "unknown type 4"),
    ],
)
def test_unreliable_mpeg_packets_are_unsure(packet: bytes, reason: str) -> None:
    with pytest.raises(UnsureStructureError, match=reason):
        MpegReader()(packet)


def test_packed_mpeg4_is_unsure() -> None:
    with pytest.raises(UnsureStructureError, match="has several video object planes"):
        Mpeg4Reader()(b"\x00\x00\x01\xb6\x00" * 2)
    with pytest.raises(UnsureStructureError, match="has no video object plane"):
        Mpeg4Reader()(b"\x00\x00\x01\xb3")
    with pytest.raises(UnsureStructureError, match="middle of"):
        Mpeg4Reader()(b"\x00\x00\x01\xb6")
