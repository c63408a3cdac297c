"""MPEG-1 and MPEG-2 (ISO/IEC 11172-2, 13818-2) and MPEG-4 part 2 (14496-2): I, P and B pictures by their start codes.

B pictures are never referred to. P pictures refer to the last I or P picture alone, so decoding can start at an I
picture; the B pictures after it in decoding order that are shown before it refer to the previous group.
"""

from __future__ import annotations

from extractors.video.bitstream.bits import BitReader
from extractors.video.bitstream.picture import Picture, UnsureStructureError

PICTURE_START = b"\x00\x00\x01\x00"
SEQUENCE_START = b"\x00\x00\x01\xb3"
GROUP_START = b"\x00\x00\x01\xb8"
VOP_START = b"\x00\x00\x01\xb6"
VOL_STARTS = tuple(b"\x00\x00\x01" + bytes([0x20 + number]) for number in range(16))
I_TYPE, P_TYPE, B_TYPE = 1, 2, 3


class MpegReader:
    """Reads the packets of one MPEG-1 or MPEG-2 stream, one picture each."""

    def __init__(self) -> None:
        self._leading = False

    def __call__(self, packet: bytes) -> Picture:
        """Read one packet, which must hold a picture."""
        start = packet.find(PICTURE_START)
        if start < 0:
            raise UnsureStructureError("a packet has no picture")
        bits = BitReader(packet[start + 4 : start + 6])
        bits.u(10)  # temporal reference
        kind = bits.u(3)
        has_sequence = 0 <= packet.find(SEQUENCE_START) < start
        if kind == I_TYPE:
            # A decoder that starts here needs the quantisation matrices of the sequence header.
            self._leading = has_sequence and not _group_is_closed(packet[:start])
            return Picture(random_access=has_sequence)
        if kind == B_TYPE:
            return Picture(disposable=True, needs_previous=self._leading, has_parameters=has_sequence)
        if kind != P_TYPE:
            raise UnsureStructureError(f"an MPEG picture has the unknown type {kind}")
        self._leading = False
        return Picture(has_parameters=has_sequence)


def _group_is_closed(headers: bytes) -> bool:
    start = headers.find(GROUP_START)
    if start < 0:
        return False
    bits = BitReader(headers[start + 4 : start + 8])
    bits.u(25)  # time code
    return bits.flag()


class Mpeg4Reader:
    """Reads the packets of one MPEG-4 part 2 stream, one video object plane each."""

    def __init__(self) -> None:
        self._leading = False

    def __call__(self, packet: bytes) -> Picture:
        """Read one packet, which must hold one video object plane."""
        start = packet.find(VOP_START)
        if start < 0:
            raise UnsureStructureError("a packet has no video object plane")
        if packet.find(VOP_START, start + 4) >= 0:
            raise UnsureStructureError("a packet has several video object planes")
        has_parameters = any(0 <= packet.find(code) < start for code in VOL_STARTS)
        kind = BitReader(packet[start + 4 : start + 5]).u(2)
        if kind == 0:
            self._leading = True
            return Picture(random_access=True)
        if kind == 2:
            return Picture(disposable=True, needs_previous=self._leading, has_parameters=has_parameters)
        self._leading = False
        return Picture(has_parameters=has_parameters)
