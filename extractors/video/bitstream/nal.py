"""Splitting of H.264 and HEVC packets into NAL units (H.264 annex B; ISO/IEC 14496-15 in MP4 and Matroska)."""

from __future__ import annotations

from extractors.video.bitstream.picture import UnsureStructureError

START_CODE = b"\x00\x00\x01"


def split_annex_b(data: bytes) -> list[bytes]:
    """NAL units between start codes (MPEG-TS, raw streams, AVI)."""
    start = data.find(START_CODE)
    if start < 0:
        raise UnsureStructureError("a packet has no start code")
    units = []
    while start >= 0:
        end = data.find(START_CODE, start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)]
        if unit:
            units.append(unit)
        start = end
    return units


def split_length_prefixed(data: bytes, length_size: int) -> list[bytes]:
    """NAL units that are each preceded by their length (MP4, Matroska)."""
    units, position, end = [], 0, len(data)
    while position < end:
        size = int.from_bytes(data[position : position + length_size], "big")
        position += length_size
        if size == 0 or position + size > end:
            raise UnsureStructureError(f"a NAL unit of {size} bytes exceeds its packet of {end} bytes, or is empty")
        units.append(data[position : position + size])
        position += size
    return units
