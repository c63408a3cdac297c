"""A big-endian bit reader with the Exp-Golomb codes of H.264 and HEVC (ITU-T H.264, 9.1)."""

from __future__ import annotations

from extractors.video.bitstream.picture import UnsureStructureError


class BitReader:
    """Reads unsigned fields, most significant bit first; `UnsureStructureError` past the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, width: int) -> int:
        """The next `width` bits as an unsigned integer."""
        self._left -= width
        if self._left < 0:
            raise UnsureStructureError("a header ends in the middle of a field")
        return (self._value >> self._left) & ((1 << width) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.u(1) == 1

    def ue(self) -> int:
        """An unsigned Exp-Golomb code."""
        zeros = 0
        while self.u(1) == 0:
            zeros += 1
            if zeros > 32:
                raise UnsureStructureError("an Exp-Golomb code longer than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def without_emulation_prevention(payload: bytes) -> bytes:
    """Drop the 0x03 bytes that keep start codes out of a NAL unit's payload (ITU-T H.264, 7.4.1)."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")
