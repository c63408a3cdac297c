"""VP8 (RFC 6386), VP9 (bitstream specification v0.6) and AV1 (specification v1.0.0): key frames and hidden frames.

A key frame of these codecs resets every reference and every probability, so decoding can start there. No frame counts
as disposable: even one that refreshes no reference may adapt the probabilities that later frames are coded with.
"""

from __future__ import annotations

from extractors.bitstream.bits import BitReader
from extractors.bitstream.picture import Picture, UnsureStructureError

AV1_SEQUENCE_HEADER, AV1_FRAME_HEADER, AV1_FRAME = 1, 3, 6


def read_vp8(packet: bytes) -> Picture:
    """The frame tag's first byte: inverse key frame bit, version, show_frame (RFC 6386, 9.1)."""
    if not packet:
        raise UnsureStructureError("an empty VP8 frame")
    return Picture(random_access=packet[0] & 1 == 0, shown=packet[0] & 0x10 != 0)


def read_vp9(packet: bytes) -> Picture:
    """A frame, or a superframe of hidden frames and one that is shown (annex B)."""
    frames = [_read_vp9_frame(frame) for frame in _split_superframe(packet)]
    return Picture(random_access=frames[0][0], shown=any(shown for _, shown in frames))


def _split_superframe(packet: bytes) -> list[bytes]:
    if not packet:
        raise UnsureStructureError("an empty VP9 frame")
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
        raise UnsureStructureError("a VP9 superframe whose sizes do not add up")
    return frames


def _read_vp9_frame(frame: bytes) -> tuple[bool, bool]:
    bits = BitReader(frame[:4])
    if bits.u(2) != 2:
        raise UnsureStructureError("a VP9 frame without its marker")
    profile = bits.u(1) | bits.u(1) << 1
    if profile == 3:
        bits.u(1)
    if bits.flag():  # show_existing_frame
        return False, True
    is_key = bits.u(1) == 0
    return is_key, bits.flag()


def read_av1(packet: bytes) -> Picture:
    """A temporal unit: random access when a sequence header and a shown key frame open it (7.6.1)."""
    has_sequence_header = False
    position = 0
    while position < len(packet):
        header = packet[position]
        kind, has_extension, has_size = header >> 3 & 0xF, header >> 2 & 1, header >> 1 & 1
        position += 1 + has_extension
        if not has_size:
            raise UnsureStructureError("an AV1 unit without its size")
        size, position = _leb128(packet, position)
        payload = packet[position : position + size]
        position += size
        if kind == AV1_SEQUENCE_HEADER:
            has_sequence_header = True
            if BitReader(payload[:1]).u(5) & 1:
                raise UnsureStructureError("an AV1 still picture")
        elif kind in (AV1_FRAME_HEADER, AV1_FRAME):
            bits = BitReader(payload[:1])
            shows_existing, is_key, shown = bits.flag(), bits.u(2) == 0, bits.flag()
            is_start = has_sequence_header and not shows_existing and is_key and shown
            return Picture(random_access=is_start, has_parameters=has_sequence_header and not is_start)
    raise UnsureStructureError("an AV1 temporal unit without a frame")


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise UnsureStructureError("an AV1 unit whose size does not end")
