"""HEVC: the decoder confirms the structure that the reader parses from real packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors.video.bitstream.hevc import HevcReader, hevc_reader
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
    "closed groups": (".mp4", "open-gop=0:bframes=3:b-pyramid=0"),
    "open groups": (".mkv", "open-gop=1:bframes=4"),
    "temporal layers": (".ts", "temporal-layers=2:bframes=4"),
    "slices": (".mkv", "slices=2:open-gop=0"),
}


def encoded(name: str, folder: Path) -> Coded:
    suffix, params = CLIPS[name]
    options = {"x265-params": f"log-level=none:keyint=20:min-keyint=20:scenecut=0:pools=1:{params}"}
    clip = Clip(codec="libx265", frames=60, width=96, height=64, options=options)
    return coded(write_video(folder / f"clip{suffix}", clip))


@pytest.fixture(scope="module")
def open_groups(tmp_path_factory: pytest.TempPathFactory) -> Coded:
    return encoded("open groups", tmp_path_factory.mktemp("open"))


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Coded:
    return encoded("temporal layers", tmp_path_factory.mktemp("layers"))


@pytest.mark.parametrize("name", CLIPS)
def test_the_decoder_confirms_the_parsed_structure(name: str, tmp_path: Path) -> None:
    assert_promises_hold(encoded(name, tmp_path))


def test_every_key_frame_of_closed_groups_is_an_entry_and_every_b_frame_disposable(tmp_path: Path) -> None:
    video = encoded("closed groups", tmp_path)
    pictures, frames = video.pictures(), video.decode()
    assert [picture.random_access for picture in pictures] == [frames[n].is_key for n in range(60)]
    assert sum(picture.random_access for picture in pictures) == 3
    assert [picture.disposable for picture in pictures] == [frames[n].kind == "B" for n in range(60)]
    assert not any(picture.needs_previous for picture in pictures)


def test_open_groups_have_entries_and_leading_pictures_that_depend_on_the_group_before(open_groups: Coded) -> None:
    pictures = open_groups.pictures()
    entries = [n for n, picture in enumerate(pictures) if picture.random_access]
    assert len(entries) == 3
    leading = [n for n, picture in enumerate(pictures) if picture.needs_previous]
    assert leading
    for number in leading:
        assert number > entries[1]  # none before the second group


def test_nothing_is_disposable_below_the_highest_temporal_layer(layers: Coded) -> None:
    disposable = sum(picture.disposable for picture in layers.pictures())
    assert 0 < disposable < sum(frame.kind == "B" for frame in layers.decode().values())


def test_repeated_parameter_sets_are_reported_once(layers: Coded) -> None:
    assert sum(b"\x00\x00\x01\x40\x01" in packet for packet in layers.packets) == 3
    read = HevcReader(split_annex_b, [])
    assert [n for n, packet in enumerate(layers.packets) if read(packet).has_parameters] == [0]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "no start code"),
        (b"\x00\x00\x01\x02", "has no header"),
        (b"\x00\x00\x01\x46\x01\x50", "slices of 0 types"),
        (b"\x00\x00\x01\x02\x01\x80\x00\x00\x01\x26\x01\x80", "slices of 2 types"),
    ],
)
def test_unreliable_packets_are_unsure(packet: bytes, reason: str) -> None:
    with pytest.raises(UnsureStructureError, match=reason):
        hevc_reader(None)(packet)


def test_a_layer_above_the_announced_ones_is_unsure(layers: Coded) -> None:
    read = layers.reader()
    read(layers.packets[0])
    with pytest.raises(UnsureStructureError, match="temporal sub-layer"):
        read(b"\x00\x00\x01\x02\x07\x80")


def test_damaged_packets_are_unsure_at_worst(open_groups: Coded, layers: Coded) -> None:
    for video in (open_groups, layers):
        assert_damage_is_unsure_at_worst(video.reader, video.packets, 4000)


def test_a_damaged_configuration_is_unsure_at_worst(open_groups: Coded) -> None:
    assert_damaged_extradata_is_unsure_at_worst(open_groups, 2000)
