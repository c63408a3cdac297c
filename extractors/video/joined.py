"""Matroska and FLV files joined end to end, made readable to their end.

libav's demuxers stop at, or skip megabytes behind, the file header of a further part; where that header is no longer
one, they resynchronise at what follows it. In: the file. Out: a file of the same size, in which the first bytes of each
header but the first are zero.

A part keeps the streams and decoder configuration of the first: H.264 with other parameter sets cannot be decoded then,
and counts as missing (`extractors.video.coverage`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from extractors.video.media import Media, Source, open_media

# Long enough not to occur by chance: EBML's magic number, a length, and the first element of every EBML header; FLV's
# header as a whole.
HEADERS = {
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3(?:[\x80-\xff]|\x01.{7})\x42\x86\x81\x01", re.DOTALL),
    "flv": re.compile(rb"FLV\x01[\x00\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00"),
}
HEADER_BYTES = 16  # at most
MAGIC_BYTES = 4
TAIL_BYTES = 1 << 20


class JoinedFile:
    """`file` without the headers of its further parts, for reading and seeking."""

    def __init__(self, file: IO[bytes], header: re.Pattern[bytes]) -> None:
        self._file = file
        self._header = header
        self._position = 0
        self._start, self._raw = 0, b""  # a stretch of the file around the position

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, all by default; fewer at the end of the file."""
        missing = self._position + size + HEADER_BYTES - (self._start + len(self._raw))
        if size < 0 or missing > 0:
            self._raw += self._file.read(-1 if size < 0 else missing)
        first = self._position - self._start
        data = bytearray(self._raw)
        for match in self._header.finditer(self._raw):
            if self._start + match.start():
                data[match.start() : match.start() + MAGIC_BYTES] = bytes(MAGIC_BYTES)
        result = bytes(data[first:] if size < 0 else data[first : first + size])
        self._position += len(result)
        self._keep_from(self._position - HEADER_BYTES)
        return result

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset`; returns the new position."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset = self._file.seek(offset, os.SEEK_END)
        self._position = offset
        self._start, self._raw = self._file.seek(max(offset - HEADER_BYTES, 0)), b""
        return offset

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def _keep_from(self, position: int) -> None:
        dropped = max(position - self._start, 0)
        self._start, self._raw = self._start + dropped, self._raw[dropped:]


def has_unread_part(media: Media, source: Source, end_byte: int) -> bool:
    """Whether the header of a further part follows in `source` after `end_byte`, where demuxing of `media` ended.

    `end_byte` is 0 if demuxing did not get there.
    """
    header = HEADERS.get(media.format)
    if header is None or not end_byte:
        return False
    with _opened(source) as file:
        position = file.tell()
        file.seek(end_byte)
        tail = file.read(TAIL_BYTES)
        file.seek(position)
    return header.search(tail) is not None


@contextmanager
def open_joined(source: Source, *, max_pixels: int) -> Iterator[Media]:
    """Open `source` from its start, as `open_media` does, with all of its parts."""
    if hasattr(source, "seek"):
        source.seek(0)
    with open_media(source, max_pixels=max_pixels) as media:
        header = HEADERS.get(media.format)
        if header is None:
            yield media
            return
    with _opened(source) as file:
        file.seek(0)
        with open_media(JoinedFile(file, header), max_pixels=max_pixels) as media:  # type: ignore[arg-type]
            yield media


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield file
    else:
        yield source
