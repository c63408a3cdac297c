"""Fields in the headers of containers, to make files that claim what they do not hold.

In: a file as a muxer writes it. Out: where its fields are, and copies in which one of them is another number or text.
Fields are found by the structure of the container, not by what they mean: a copy may claim any duration, rate, count of
samples, size of pictures, number of channels, offset, size of a box, or name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Boxes of boxes, and the bytes before those.
MP4_OUTER = dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"moof", b"traf", b"mvex"), 0)
MP4_OUTER |= {b"meta": 4, b"dref": 8}
MP4_MEDIA = (b"mdat", b"free", b"skip", b"wide")
EBML_OUTER = {
    *(0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1),  # segment, info, tracks, entry, video, audio
    *(0x1254C367, 0x7373, 0x63C0, 0x67C8),  # tags
    *(0x1C53BB6B, 0xBB, 0xB7, 0x114D9B74, 0x4DBB),  # index, seek head
    *(0x1F43B675, 0xA0),  # cluster, group of blocks
}
EBML_BLOCKS = {0xA3, 0xA1}
# The start of a packet of MPEG-2 or MPEG-1 up to its time stamp.
TIMED_PACKET = re.compile(
    rb"\x00\x00\x01[\xc0-\xef].{2}(?:[\x80-\xbf][\x80-\xff].|(?:[\x40-\x7f].)?(?=[\x20-\x3f]))", re.DOTALL
)
RIFF_LISTS = (b"RIFF", b"LIST")
HEADER_BYTES = 192  # of a table, from its start: its counts and first entries
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")

INTEGERS = (0, 1, 2, 0xFF)  # and the largest, the largest with a sign and the one after it
REALS = (0.0, -1.0, 1e-300, 1e9, 1e300, float("inf"), float("nan"))
TEXTS = (b"9", b"0:0:1e99999999", b"1/0", b"-", b"\xff", b"\0", b"\x1b[2J", b"%n%s", b"../", b"=1+1")


@dataclass(frozen=True)
class Field:
    """Bytes of a file that stand for a number or a text. `name` says where in the structure they are."""

    name: str
    start: int
    size: int
    order: str = ">"
    is_text: bool = False

    def values(self) -> Iterator[bytes]:
        """What a hostile file may put there, of the same size."""
        if self.is_text:
            yield from ((text * self.size)[: self.size] for text in TEXTS)
            return
        largest = (1 << 8 * self.size) - 1
        byte_order = "big" if self.order == ">" else "little"
        for number in (*INTEGERS, largest // 2, largest // 2 + 1, largest):
            yield min(number, largest).to_bytes(self.size, byte_order)
        if self.size in (4, 8):
            for real in REALS:
                if self.size == 8 or abs(real) < 1e30 or real != real or real == float("inf"):
                    yield struct.pack(self.order + ("d" if self.size == 8 else "f"), real)


def hostile_copies(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Copies of `data` in which one field has another value, each with the name of the field."""
    for field in header_fields(data):
        for value in field.values():
            if data[field.start : field.start + field.size] != value:
                yield field.name, data[: field.start] + value + data[field.start + field.size :]


def header_fields(data: bytes) -> list[Field]:
    """The fields of the headers of `data`, a file of one of `FINDERS`; empty for others."""
    return next((list(find(data)) for starts, find in FINDERS if starts.match(data)), [])


def _mp4(data: bytes) -> Iterator[Field]:
    yield from _boxes(data, 0, len(data), "")


def _boxes(data: bytes, at: int, end: int, path: str) -> Iterator[Field]:
    while at + 8 <= end:
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if not 8 <= size <= end - at:
            return
        name = f"{path}/{kind.decode('latin-1')}"
        yield Field(f"{name} size", at, 4)
        if kind in MP4_OUTER:
            yield from _boxes(data, at + 8 + MP4_OUTER[kind], at + size, name)
        elif kind not in MP4_MEDIA:
            width = 2 if kind == b"stsd" else 4  # a sample entry has sizes and channels of two bytes
            yield from _words(name, at + 8, at + size, width)
        at += size


def _ebml(data: bytes) -> Iterator[Field]:
    yield from _elements(data, 0, len(data), "")


def _elements(data: bytes, at: int, end: int, path: str) -> Iterator[Field]:
    while at < end:
        start = at
        identifier, at = _variable(data, at, keeps_marker=True)
        sized = at
        size, at = _variable(data, at, keeps_marker=False)
        is_open = size == (1 << 7 * (at - sized)) - 1
        stop = end if is_open else at + size
        if at <= start or stop > end:
            return
        name = f"{path}/{identifier:X}"
        yield Field(f"{name} size", sized, at - sized)
        if identifier in EBML_OUTER:
            yield from _elements(data, at, stop, name)
        elif identifier not in EBML_BLOCKS and size:
            yield Field(name, at, stop - at, is_text=size > 8)
        at = stop


def _variable(data: bytes, at: int, *, keeps_marker: bool) -> tuple[int, int]:
    """An integer of EBML and where it ends; its first bit that is set marks its size."""
    if at >= len(data) or not data[at]:
        return 0, at
    end = at + 9 - data[at].bit_length()
    number = int.from_bytes(data[at:end])
    return number if keeps_marker else number & ((1 << 7 * (end - at)) - 1), end


def _riff(data: bytes) -> Iterator[Field]:
    yield from _chunks(data, 0, len(data), "")


def _chunks(data: bytes, at: int, end: int, path: str) -> Iterator[Field]:
    while at + 8 <= end:
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        name = f"{path}/{kind.decode('latin-1')}"
        if kind == b"LIST" and data[at + 8 : at + 12] == b"movi":
            yield Field(f"{name} size", at + 4, 4, "<")
        elif kind in RIFF_LISTS:
            yield Field(f"{name} size", at + 4, 4, "<")
            yield from _chunks(data, at + 12, min(at + 8 + size, end), name)
        elif kind != b"JUNK":
            yield Field(f"{name} size", at + 4, 4, "<")
            yield from _words(name, at + 8, min(at + 8 + size, end), 2 if kind == b"strf" else 4, "<")
        at += 8 + size + size % 2


def _flv(data: bytes) -> Iterator[Field]:
    for number in re.finditer(rb"[a-z]\0(?=.{8})", data[:4096], re.DOTALL):  # a name, the type of a real number
        yield Field(f"metadata {number.start()}", number.end(), 8)
    at = 13
    for tag in range(8):
        if at + 15 > len(data):
            return
        yield Field(f"tag {tag} size", at + 1, 3)
        yield Field(f"tag {tag} time", at + 4, 3)
        yield Field(f"tag {tag} codec", at + 11, 2)
        at += 15 + int.from_bytes(data[at + 1 : at + 4])


def _asf(data: bytes) -> Iterator[Field]:
    size = int.from_bytes(data[16:24], "little")
    yield from _words("header", 16, min(size, len(data)), 4, "<", all_of_it=True)


def _time_stamps(data: bytes) -> Iterator[Field]:
    """Sizes and time stamps of packets of MPEG transport and programme streams."""
    for number, packet in enumerate(TIMED_PACKET.finditer(data)):
        yield Field(f"packet {number} size", packet.start() + 4, 2)
        yield Field(f"packet {number} time", packet.end(), 5)


def _gif(data: bytes) -> Iterator[Field]:
    yield Field("width", 6, 2, "<")
    yield Field("height", 8, 2, "<")
    for number, extension in enumerate(re.finditer(rb"\x21\xf9\x04.", data, re.DOTALL)):
        yield Field(f"delay {number}", extension.end(), 2, "<")
    for number, picture in enumerate(re.finditer(rb"\0\x2c", data)):
        yield from _words(f"picture {number}", picture.end(), picture.end() + 8, 2, "<")


def _words(name: str, start: int, end: int, size: int, order: str = ">", *, all_of_it: bool = False) -> Iterator[Field]:
    last = end if all_of_it else min(end, start + HEADER_BYTES)
    for at in range(start, last - size + 1, size):
        yield Field(f"{name}+{at - start}", at, size, order)


FINDERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], Iterator[Field]]], ...] = (
    (re.compile(rb".{4}ftyp", re.DOTALL), _mp4),
    (re.compile(rb"\x1a\x45\xdf\xa3"), _ebml),
    (re.compile(rb"RIFF"), _riff),
    (re.compile(rb"FLV"), _flv),
    (re.compile(re.escape(ASF_HEADER)), _asf),
    (re.compile(rb"G.{187}G", re.DOTALL), _time_stamps),
    (re.compile(rb"\x00\x00\x01\xba"), _time_stamps),
    (re.compile(rb"GIF8"), _gif),
)
