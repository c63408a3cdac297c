"""H.264: the decoder confirms the structure that the reader parses from real packets."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from extractors.video.bitstream.h264 import H264Reader, h264_reader, read_sps
from extractors.video.bitstream.nal import split_annex_b
from extractors.video.bitstream.picture import UnsureStructureError
from tests.support.packets import (
    Coded,
    assert_damage_is_unsure_at_worst,
    assert_damaged_extradata_is_unsure_at_worst,
    assert_promises_hold,
    coded,
)
from tests.support.videos import Clip, write_video

CLIPS = {
    "closed groups": (".mp4", "keyint=20:bframes=3:b-pyramid=none", "yuv420p"),
    "pyramid": (".mkv", "keyint=20:bframes=3:b-pyramid=normal:b-adapt=0", "yuv420p"),
    "open groups": (".ts", "keyint=20:open-gop=1:bframes=3", "yuv420p"),
    "intra refresh": (".mp4", "keyint=20:intra-refresh=1", "yuv420p"),
    "slices": (".mp4", "keyint=20:slices=4", "yuv420p"),
    "interlaced in frames": (".ts", "keyint=20:interlaced=1", "yuv420p"),
    "scaling matrices": (".mp4", "keyint=20:cqm=jvt", "yuv420p"),
    "4:4:4": (".mp4", "keyint=20:cqm=jvt", "yuv444p"),
    "10 bit": (".mkv", "keyint=20", "yuv422p10le"),
}


def encoded(name: str, folder: Path) -> Coded:
    suffix, params, pix_fmt = CLIPS[name]
    clip = Clip(frames=60, width=96, height=48, pix_fmt=pix_fmt, options={"x264-params": params + ":scenecut=0"})
    return coded(write_video(folder / f"clip{suffix}", clip))


@pytest.fixture(scope="module")
def annex_b(tmp_path_factory: pytest.TempPathFactory) -> Coded:
    return encoded("open groups", tmp_path_factory.mktemp("annex_b"))


@pytest.mark.parametrize("name", CLIPS)
def test_the_decoder_confirms_the_parsed_structure(name: str, tmp_path: Path) -> None:
    assert_promises_hold(encoded(name, tmp_path))


def test_every_key_frame_of_closed_groups_is_an_entry_and_every_b_frame_disposable(tmp_path: Path) -> None:
    video = encoded("closed groups", tmp_path)
    pictures, frames = video.pictures(), video.decode()
    assert [picture.random_access for picture in pictures] == [frames[n].is_key for n in range(60)]
    assert [picture.disposable for picture in pictures] == [frames[n].kind == "B" for n in range(60)]
    assert sum(picture.random_access for picture in pictures) == 3


def test_referenced_b_frames_of_a_pyramid_are_not_disposable(tmp_path: Path) -> None:
    video = encoded("pyramid", tmp_path)
    b_frames = sum(frame.kind == "B" for frame in video.decode().values())
    disposable = sum(picture.disposable for picture in video.pictures())
    assert b_frames // 2 < disposable < b_frames


@pytest.mark.parametrize(("name", "kind"), [("open groups", "I"), ("intra refresh", "P")])
def test_only_the_first_picture_of_a_stream_without_idr_is_an_entry(name: str, kind: str, tmp_path: Path) -> None:
    video = encoded(name, tmp_path)
    assert sum(frame.kind == kind for frame in video.decode().values()) >= 2
    assert [n for n, picture in enumerate(video.pictures()) if picture.random_access] == [0]


def test_repeated_parameter_sets_are_reported_once(annex_b: Coded) -> None:
    with_sets = [n for n, packet in enumerate(annex_b.packets) if b"\x00\x00\x01\x67" in packet]
    assert len(with_sets) == 3
    read = H264Reader(split_annex_b, [])
    assert [n for n, packet in enumerate(annex_b.packets) if read(packet).has_parameters] == [0]


def test_parameter_sets_are_read(tmp_path: Path) -> None:
    for name, frames_only in (("closed groups", True), ("interlaced in frames", False), ("4:4:4", True)):
        extradata = encoded(name, tmp_path).extradata
        assert extradata
        start = extradata.index(b"\x67") if extradata[0] != 1 else 8
        sps_id, sps = read_sps(extradata[start:])
        assert (sps_id, sps.frame_mbs_only, sps.separate_planes) == (0, frames_only, False)
        assert 4 <= sps.frame_num_bits <= 16


def test_separate_fields_are_unsure() -> None:
    # Baseline, order type 2, frame_mbs_only_flag 0; a slice whose field_pic_flag is 1.
    sps = bytes([0x67, 66, 0, 30, 0b1_1_011_010, 0b0_1_1_0_0000])
    pps = bytes([0x68, 0b1_1_000000])
    fields, frames = (bytes([0x65, 0b1_1_1_0000_0 | field, 0x80]) for field in (1, 0))
    read = H264Reader(split_annex_b, [sps, pps])
    assert read(b"\x00\x00\x01" + frames).random_access
    with pytest.raises(UnsureStructureError, match="separate fields"):
        read(b"\x00\x00\x01" + fields)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "no start code"),
        (b"\x00\x00\x01\x09\x10", "has no slice"),
        (b"\x00\x00\x01\x02\x80", "data partitioning"),
        (b"\x00\x00\x01\x65\xe0", "unknown parameter set"),
    ],
)
def test_unreliable_packets_are_unsure(packet: bytes, reason: str) -> None:
    with pytest.raises(UnsureStructureError, match=reason):
        H264Reader(split_annex_b, [])(packet)


def test_an_oversized_parameter_set_is_refused_fast() -> None:
    # Order type 1 with 2^31 offsets to follow, and megabytes of them.
    start = "01000010" + "0" * 16 + "1" + "1" + "010" + "0" + "1" + "1" + "0" * 31 + "1" + "1" * 31
    start += "1" * (-len(start) % 8)
    unit = b"\x67" + int(start, 2).to_bytes(len(start) // 8, "big") + b"\xff" * (4 << 20)
    started = time.process_time()
    with pytest.raises(UnsureStructureError):
        read_sps(unit)
    assert time.process_time() - started < 2


def test_damaged_packets_are_unsure_at_worst(annex_b: Coded, tmp_path: Path) -> None:
    assert_damage_is_unsure_at_worst(annex_b.reader, annex_b.packets, 4000)
    length_prefixed = encoded("interlaced in frames", tmp_path)
    assert_damage_is_unsure_at_worst(length_prefixed.reader, length_prefixed.packets, 4000)


def test_a_damaged_configuration_is_unsure_at_worst(annex_b: Coded, tmp_path: Path) -> None:
    assert_damaged_extradata_is_unsure_at_worst(annex_b, 1000)
    assert_damaged_extradata_is_unsure_at_worst(encoded("4:4:4", tmp_path), 2000)


def test_without_configuration_the_parameter_sets_come_in_the_packets(annex_b: Coded) -> None:
    read = h264_reader(None)
    assert read(annex_b.packets[0]).has_parameters
