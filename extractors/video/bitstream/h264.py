"""H.264 / AVC (ITU-T H.264): IDR pictures, non-reference pictures, parameter sets.

Only an IDR picture counts as random access. Other recovery points (an open group, intra refresh) do not: the decoder's
reference lists may still hold older pictures. Pictures with `nal_ref_idc` 0 are never referred to. Streams coded in
separate fields raise `UnsureStructureError`, because a packet may then hold half a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from extractors.video.bitstream.bits import BitReader, without_emulation_prevention
from extractors.video.bitstream.nal import split_annex_b, split_length_prefixed
from extractors.video.bitstream.picture import Picture, PictureReader, UnsureStructureError

SLICE, PARTITION_A, PARTITION_C, IDR, SPS, PPS = 1, 2, 4, 5, 7, 8
HEADER_BYTES = 64  # enough for the first fields of a slice header
SPS_BYTES = 4096  # enough for the longest legal SPS; reading a bit takes longer the longer the input is
HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


@dataclass(frozen=True, slots=True)
class Sps:
    """The fields of a sequence parameter set that the start of a slice header depends on."""

    separate_planes: bool
    frame_num_bits: int
    frame_mbs_only: bool


def read_sps(unit: bytes) -> tuple[int, Sps]:
    """Parse the NAL unit of a sequence parameter set up to `frame_mbs_only_flag` (7.3.2.1.1): its id and fields."""
    bits = BitReader(without_emulation_prevention(unit[1:SPS_BYTES]))
    profile = bits.u(8)
    bits.u(16)  # constraint flags, level
    sps_id = bits.ue()
    separate_planes = False
    if profile in HIGH_PROFILES:
        chroma_format = bits.ue()
        if chroma_format == 3:
            separate_planes = bits.flag()
        bits.ue(), bits.ue(), bits.flag()  # bit depths, transform bypass
        if bits.flag():
            for index in range(12 if chroma_format == 3 else 8):
                if bits.flag():
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    frame_num_bits = bits.ue() + 4
    order_type = bits.ue()
    if order_type == 0:
        bits.ue()
    elif order_type == 1:
        bits.flag(), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue(), bits.flag(), bits.ue(), bits.ue()  # reference frames, gaps, width, height
    return sps_id, Sps(separate_planes, frame_num_bits, frame_mbs_only=bits.flag())


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


class H264Reader:
    """Reads the packets of one H.264 stream, in decoding order; keeps its parameter sets."""

    def __init__(self, split: Callable[[bytes], list[bytes]], parameter_sets: list[bytes]) -> None:
        self._split = split
        self._sps: dict[int, Sps] = {}
        self._sps_of_pps: dict[int, int] = {}
        self._latest = list(parameter_sets)
        self._may_have_fields = True  # until the parameter sets rule it out
        for unit in parameter_sets:
            self._add_parameter_set(unit)

    def __call__(self, packet: bytes) -> Picture:
        """Read one packet, which must hold slices."""
        has_slices = idr = referred = False
        parameter_sets = []
        for unit in self._split(packet):
            header = unit[0]
            kind = header & 0x1F
            if kind in (SLICE, IDR):
                has_slices = True
                idr = idr or kind == IDR
                referred = referred or header & 0x60 != 0
                if self._may_have_fields:
                    self._refuse_fields(unit)
            elif kind in (SPS, PPS):
                self._add_parameter_set(unit)
                parameter_sets.append(unit)
            elif PARTITION_A <= kind <= PARTITION_C:
                raise UnsureStructureError("the stream uses data partitioning")
        if not has_slices:
            raise UnsureStructureError("a packet has no slice")
        # Most streams repeat the same sets with every IDR picture; only changed sets must reach the decoder.
        changed = bool(parameter_sets) and parameter_sets != self._latest
        if changed:
            self._latest = parameter_sets
        return Picture(random_access=idr, disposable=not referred, has_parameters=changed)

    def _add_parameter_set(self, unit: bytes) -> None:
        kind = unit[0] & 0x1F
        if kind == SPS:
            sps_id, sps = read_sps(unit)
            self._sps[sps_id] = sps
            self._may_have_fields = not all(known.frame_mbs_only for known in self._sps.values())
        elif kind == PPS:
            bits = BitReader(without_emulation_prevention(unit[1:HEADER_BYTES]))
            pps_id = bits.ue()
            self._sps_of_pps[pps_id] = bits.ue()

    def _refuse_fields(self, unit: bytes) -> None:
        bits = BitReader(without_emulation_prevention(unit[1:HEADER_BYTES]))
        bits.ue(), bits.ue()  # first macroblock, slice type
        sps = self._sps.get(self._sps_of_pps.get(bits.ue(), -1))  # no set has the id -1
        if sps is None:
            raise UnsureStructureError("a slice refers to an unknown parameter set")
        if sps.frame_mbs_only:
            return
        if sps.separate_planes:
            bits.u(2)
        bits.u(sps.frame_num_bits)
        if bits.flag():
            raise UnsureStructureError("the stream is coded in separate fields")


def h264_reader(extradata: bytes | None) -> PictureReader:
    """A reader for a stream with the decoder configuration `extradata`: an avcC record, annex B units, or None."""
    if not extradata or extradata[0] != 1:
        units = split_annex_b(extradata) if extradata else []
        return H264Reader(split_annex_b, units)
    length_size = (extradata[4] & 3) + 1
    units, position = [], 6
    for count in (extradata[5] & 0x1F, None):
        if count is None:
            count, position = extradata[position], position + 1
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            units.append(extradata[position + 2 : position + 2 + size])
            position += 2 + size
    return H264Reader(partial(split_length_prefixed, length_size=length_size), units)
