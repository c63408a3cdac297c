"""HEVC (ITU-T H.265): IRAP pictures, skipped leading pictures, sub-layer non-reference pictures.

Pictures shown after an IRAP picture refer to none before it (8.3.2); its RASL pictures may. A "sub-layer non-reference"
picture in the highest temporal sub-layer is never referred to (7.4.2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from extractors.video.bitstream.nal import split_annex_b, split_length_prefixed
from extractors.video.bitstream.picture import Picture, PictureReader, UnsureStructureError

RASL_N, RASL_R, LAST_NON_REFERENCE, FIRST_IRAP, LAST_IRAP, LAST_CODED = 8, 9, 14, 16, 21, 31
VPS, SPS, PPS = 32, 33, 34


class HevcReader:
    """Reads the packets of one HEVC stream, in decoding order; keeps the number of temporal sub-layers."""

    def __init__(self, split: Callable[[bytes], list[bytes]], parameter_sets: list[bytes]) -> None:
        self._split = split
        self._highest_layer = -1
        self._latest = list(parameter_sets)
        for unit in parameter_sets:
            self._add_parameter_set(unit)

    def __call__(self, packet: bytes) -> Picture:
        """Read one packet, which must hold slices of one type."""
        kinds: set[int] = set()
        layers: set[int] = set()
        parameter_sets = []
        for unit in self._split(packet):
            if len(unit) < 3:
                raise UnsureStructureError("a NAL unit has no header")
            kind = unit[0] >> 1 & 0x3F
            if (unit[0] & 1) << 5 | unit[1] >> 3:
                continue  # another layer of a scalable or multi-view stream, which the decoder ignores
            if VPS <= kind <= PPS:
                self._add_parameter_set(unit)
                parameter_sets.append(unit)
            elif kind <= LAST_CODED:
                kinds.add(kind)
                layers.add((unit[1] & 7) - 1)
        if len(kinds) != 1:
            raise UnsureStructureError(f"a packet has slices of {len(kinds)} types, not of one")
        (kind,), layer = kinds, max(layers)
        if layer > self._highest_layer >= 0:
            raise UnsureStructureError("a temporal sub-layer is above those declared in the parameter sets")
        # Most streams repeat the same sets with every IRAP picture; only changed sets must reach the decoder.
        changed = bool(parameter_sets) and parameter_sets != self._latest
        if changed:
            self._latest = parameter_sets
        return Picture(
            random_access=FIRST_IRAP <= kind <= LAST_IRAP,
            needs_previous=kind in (RASL_N, RASL_R),
            disposable=kind <= LAST_NON_REFERENCE and kind % 2 == 0 and layer == self._highest_layer,
            has_parameters=changed,
        )

    def _add_parameter_set(self, unit: bytes) -> None:
        if unit[0] >> 1 & 0x3F == SPS and len(unit) > 2:
            self._highest_layer = max(self._highest_layer, unit[2] >> 1 & 7)


def hevc_reader(extradata: bytes | None) -> PictureReader:
    """A reader for a stream with the decoder configuration `extradata`: an hvcC record, annex B units, or None."""
    if not extradata or extradata[0] != 1:
        units = split_annex_b(extradata) if extradata else []
        return HevcReader(split_annex_b, units)
    length_size = (extradata[21] & 3) + 1
    units, position = [], 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            units.append(extradata[position + 2 : position + 2 + size])
            position += 2 + size
            if position > len(extradata):
                raise UnsureStructureError("the decoder configuration ends inside a parameter set")
    return HevcReader(partial(split_length_prefixed, length_size=length_size), units)
