"""NAL units are split at start codes or by their lengths, and never extend beyond the packet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extractors.video.bitstream.nal import split_annex_b, split_length_prefixed
from extractors.video.bitstream.picture import UnsureStructureError
from tests.support.packets import coded
from tests.support.videos import Clip, write_video

UNITS = [b"\x67\x01", b"\x68", b"\x65\x00\x00\x02\xff"]


def prefixed(units: list[bytes], length_size: int) -> bytes:
    return b"".join(len(unit).to_bytes(length_size, "big") + unit for unit in units)


def test_units_between_start_codes() -> None:
    assert list(split_annex_b(b"".join(b"\x00\x00\x01" + unit for unit in UNITS))) == UNITS


def test_the_zero_of_a_long_start_code_belongs_to_the_unit_before() -> None:
    first, second = split_annex_b(b"\x00\x00\x00\x01\x67\x01\x00\x00\x00\x01\x68")
    assert first.rstrip(b"\x00") == b"\x67\x01"
    assert second == b"\x68"


@pytest.mark.parametrize("data", [b"", b"\x00\x00", b"\x67\x01\x02"])
def test_no_start_code_is_unsure(data: bytes) -> None:
    with pytest.raises(UnsureStructureError, match="has no start code"):
        list(split_annex_b(data))


def test_start_codes_without_units_give_none() -> None:
    assert list(split_annex_b(b"\x00\x00\x01\x00\x00\x01")) == []


@pytest.mark.parametrize("length_size", [1, 2, 3, 4])
def test_units_with_length_prefixes(length_size: int) -> None:
    assert list(split_length_prefixed(prefixed(UNITS, length_size), length_size)) == UNITS


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x00", b"\x00\x00\x00\x05\x67", b"\x00\x00", b"\xff\xff\xff\xff\x01"])
def test_invalid_lengths_are_unsure(data: bytes) -> None:
    with pytest.raises(UnsureStructureError, match="a NAL unit of"):
        list(split_length_prefixed(data, 4))


def test_random_bytes_are_split_or_unsure() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3000):
        data = rng.bytes(rng.integers(0, 40)).replace(b"\x7f", b"\x00\x00\x01")
        for split in (lambda: split_annex_b(data), lambda: split_length_prefixed(data, 1)):  # noqa: B023
            try:
                assert all(split())
            except UnsureStructureError:
                continue


@pytest.mark.parametrize(("suffix", "kinds"), [(".mp4", {1, 5, 6}), (".ts", {1, 5, 6, 7, 8, 9})])
def test_real_packets_hold_known_units_only(suffix: str, kinds: set[int], tmp_path: Path) -> None:
    packets = coded(write_video(tmp_path / f"clip{suffix}", Clip(frames=20))).packets
    split = split_annex_b if suffix == ".ts" else lambda packet: split_length_prefixed(packet, 4)
    assert {unit[0] & 0x1F for packet in packets for unit in split(packet)} == kinds
