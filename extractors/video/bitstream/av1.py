"""AV1 (bitstream specification v1.0.0): key frames, and frames that nothing refers to.

A shown key frame with a sequence header resets the decoder, so decoding can start there. All state that a frame leaves
is in the reference slots that it refreshes: pixels, probabilities, motion vectors, segmentation, film grain (7.20). A
frame that refreshes none is disposable. This is checked in plain streams only; with layers, a decoder model or numbered
frames no frame counts as disposable. Nor does a frame shown from its slot (`show_existing_frame`): showing it is free,
and a key frame shown in this way refreshes all slots.
"""

from __future__ import annotations

from dataclasses import dataclass

from extractors.video.bitstream.bits import BitReader
from extractors.video.bitstream.picture import Picture, UnsureStructureError

SEQUENCE_HEADER, FRAME_HEADER, FRAME = 1, 3, 6
KEY, INTER, INTRA_ONLY, SWITCH = range(4)
SELECT = 2  # signalled per frame
HEADER_BYTES = 16  # enough for the fields up to `refresh_frame_flags`
ALL_SLOTS = 0xFF


@dataclass(frozen=True, slots=True)
class Sequence:
    """The fields that the start of a frame header depends on; the list is complete if `is_plain`."""

    is_plain: bool
    screen_content: int = 0
    integer_motion: int = 0
    order_hint_bits: int = 0


def read_sequence(payload: bytes) -> Sequence:
    """Parse a sequence header up to `order_hint_bits` (5.5.1)."""
    bits = BitReader(payload)
    bits.u(4)  # profile, still picture
    if bits.flag():
        raise UnsureStructureError("the stream is an AV1 still picture")
    if bits.flag():  # timing
        bits.u(64)
        if bits.flag():
            bits.ue()
        if bits.flag():  # decoder model
            return Sequence(is_plain=False)
    has_delay = bits.flag()
    if bits.u(5) or bits.u(12):  # operating points, and the layers of the first
        return Sequence(is_plain=False)
    if bits.u(5) > 7:  # level
        bits.flag()
    if has_delay and bits.flag():
        bits.u(4)
    width_bits, height_bits = bits.u(4) + 1, bits.u(4) + 1
    bits.u(width_bits), bits.u(height_bits)
    if bits.flag():  # frame numbers
        return Sequence(is_plain=False)
    bits.u(7)  # coding tools
    has_order_hints = bits.flag()
    if has_order_hints:
        bits.u(2)
    screen_content = SELECT if bits.flag() else bits.u(1)
    integer_motion = SELECT
    if screen_content and not bits.flag():
        integer_motion = bits.u(1)
    return Sequence(True, screen_content, integer_motion, bits.u(3) + 1 if has_order_hints else 0)


def refreshed_slots(bits: BitReader, sequence: Sequence, kind: int, *, shown: bool) -> int:
    """Parse a frame header of a plain stream from after `show_frame` to `refresh_frame_flags` (5.9.2)."""
    if kind == SWITCH or (kind == KEY and shown):
        return ALL_SLOTS
    if not shown:
        bits.flag()  # showable
    is_resilient = bits.flag()
    bits.flag()  # disable_cdf_update
    is_screen_content = bits.flag() if sequence.screen_content == SELECT else sequence.screen_content
    if is_screen_content and sequence.integer_motion == SELECT:
        bits.flag()
    bits.flag()  # frame_size_override_flag
    bits.u(sequence.order_hint_bits)
    if kind == INTER and not is_resilient:
        bits.u(3)  # primary_ref_frame
    return bits.u(8)


class Av1Reader:
    """Reads the packets of one AV1 stream, one temporal unit each; keeps the sequence header."""

    def __init__(self) -> None:
        self._header = b""
        self._sequence = Sequence(is_plain=False)

    def __call__(self, packet: bytes) -> Picture:
        """Read one packet: random access if it starts with a sequence header and a shown key frame (7.6.1)."""
        has_sequence_header = is_random_access = has_frame = changes_state = False
        position = 0
        while position < len(packet):
            header = packet[position]
            kind, has_extension, has_size = header >> 3 & 0xF, header >> 2 & 1, header >> 1 & 1
            position += 1 + has_extension
            if not has_size:
                raise UnsureStructureError("an AV1 unit has no size")
            size, position = _leb128(packet, position)
            if kind == SEQUENCE_HEADER:
                has_sequence_header = True
                self._update(packet[position : position + size])
            elif kind in (FRAME_HEADER, FRAME):
                bits = BitReader(packet[position : position + min(size, HEADER_BYTES)])
                shows_existing, frame_kind, shown = bits.flag(), bits.u(2), bits.flag()
                if not has_frame:
                    is_random_access = has_sequence_header and not shows_existing and frame_kind == KEY and shown
                has_frame = True
                changes_state = (
                    changes_state
                    or shows_existing
                    or not self._sequence.is_plain
                    or refreshed_slots(bits, self._sequence, frame_kind, shown=shown) != 0
                )
            position += size
        if not has_frame:
            raise UnsureStructureError("an AV1 temporal unit has no frame")
        return Picture(
            random_access=is_random_access,
            disposable=not changes_state,
            has_parameters=has_sequence_header and not is_random_access,
        )

    def _update(self, header: bytes) -> None:
        if header != self._header:  # most streams repeat it with every key frame
            self._header, self._sequence = header, read_sequence(header)


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
    raise UnsureStructureError("the size of an AV1 unit does not end")
