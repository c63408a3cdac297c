"""Bits come out most significant first, and never from beyond the end."""

from __future__ import annotations

import pytest

from extractors.video.bitstream.bits import BitReader, without_emulation_prevention
from extractors.video.bitstream.picture import UnsureStructureError


def from_bits(text: str) -> BitReader:
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return BitReader(int(text, 2).to_bytes(len(text) // 8, "big"))


def exp_golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def test_fields_are_read_in_order() -> None:
    bits = from_bits("101 0 11110000 1")
    assert [bits.u(3), bits.flag(), bits.u(8), bits.flag()] == [5, False, 0xF0, True]


def test_a_field_of_zero_bits_is_zero() -> None:
    assert BitReader(b"").u(0) == 0


@pytest.mark.parametrize("value", [0, 1, 2, 3, 6, 7, 254, 255, 65_535, 2**32 - 2])
def test_unsigned_exp_golomb(value: int) -> None:
    bits = from_bits(exp_golomb(value) + "1")
    assert bits.ue() == value
    assert bits.flag()


def test_signed_exp_golomb_alternates() -> None:
    bits = from_bits("".join(exp_golomb(code) for code in range(7)))
    assert [bits.se() for _ in range(7)] == [0, 1, -1, 2, -2, 3, -3]


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00" * 4, b"\x00" * 5, b"\x00" * 100, b"\x01"])
def test_an_unending_code_is_unsure(data: bytes) -> None:
    with pytest.raises(UnsureStructureError):
        BitReader(data).ue()


def test_reading_past_the_end_is_unsure() -> None:
    bits = BitReader(b"\xff")
    assert bits.u(7) == 0x7F
    with pytest.raises(UnsureStructureError, match="middle of a field"):
        bits.u(2)


@pytest.mark.parametrize(
    ("coded", "plain"),
    [
        (b"", b""),
        (b"\x00\x00\x03\x01", b"\x00\x00\x01"),
        (b"\x00\x00\x03\x00\x00\x03\x03", b"\x00\x00\x00\x00\x03"),
        (b"\x00\x03\x00\x03", b"\x00\x03\x00\x03"),
        (b"\x01\x00\x00\x03", b"\x01\x00\x00"),
    ],
)
def test_emulation_prevention_bytes_are_removed(coded: bytes, plain: bytes) -> None:
    assert without_emulation_prevention(coded) == plain
