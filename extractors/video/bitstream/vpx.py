"""VP8 (RFC 6386) and VP9 (bitstream specification v0.6): key frames and hidden frames.

A key frame resets all references and probabilities, so decoding can start there. No frame counts as disposable: even
one that refreshes no reference may adapt the probabilities of later frames.
"""

from __future__ import annotations

from extractors.video.bitstream.bits import BitReader
from extractors.video.bitstream.picture import Picture, UnsureStructureError


def read_vp8(packet: bytes) -> Picture:
    """Read the first byte of the frame tag: inverse key frame bit, version, show_frame (RFC 6386, 9.1)."""
    if not packet:
        raise UnsureStructureError("a VP8 frame is empty")
    return Picture(random_access=packet[0] & 1 == 0, shown=packet[0] & 0x10 != 0)


def read_vp9(packet: bytes) -> Picture:
    """Read a frame, or a superframe of hidden frames and a shown one (annex B)."""
    frames = [_read_vp9_frame(frame) for frame in _split_superframe(packet)]
    return Picture(random_access=frames[0][0], shown=any(shown for _, shown in frames))


def _split_superframe(packet: bytes) -> list[bytes]:
    if not packet:
        raise UnsureStructureError("a VP9 frame is empty")
    marker = packet[-1]
    if marker & 0xE0 != 0xC0:
        return [packet]
    count, size_bytes = (marker & 7) + 1, (marker >> 3 & 3) + 1
    index_size = 2 + count * size_bytes
    if len(packet) < index_size or packet[-index_size] != marker:
        return [packet]
    frames, position = [], 0
    for number in range(count):
        start = len(packet) - index_size + 1 + number * size_bytes
        size = int.from_bytes(packet[start : start + size_bytes], "little")
        if size:
            frames.append(packet[position : position + size])
        position += size
    if not frames or position > len(packet) - index_size:
        raise UnsureStructureError("the frame sizes of a VP9 superframe do not add up")
    return frames


def _read_vp9_frame(frame: bytes) -> tuple[bool, bool]:
    bits = BitReader(frame[:4])
    if bits.u(2) != 2:
        raise UnsureStructureError("a VP9 frame has no marker")
    profile = bits.u(1) | bits.u(1) << 1
    if profile == 3:
        bits.u(1)
    if bits.flag():  # show_existing_frame
        return False, True
    is_key = bits.u(1) == 0
    return is_key, bits.flag()
