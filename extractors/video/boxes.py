"""Boxes, of which MP4 and MOV are made. In: a seekable file. Reading is bounded, and a damaged header ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

MAX_BOXES = 256  # within another one

Box = tuple[bytes, int, int]  # type, start of the content, end


def whole_of(file: IO[bytes]) -> Box:
    """The file as a box."""
    return b"", 0, file.seek(0, 2)


def boxes_in(file: IO[bytes], outer: Box) -> Iterator[Box]:
    """The boxes within another box."""
    _, start, end = outer
    for _ in range(MAX_BOXES):
        if start >= end:
            return
        head = read_at(file, start, 16)
        size, header_bytes = int.from_bytes(head[:4]), 8
        if size == 1:
            size, header_bytes = int.from_bytes(head[8:]), 16
        elif size == 0:
            size = end - start
        if size < header_bytes or start + header_bytes > end:
            return
        yield head[4:8], start + header_bytes, min(start + size, end)
        start += size


def read_at(file: IO[bytes], start: int, size: int) -> bytes:
    """Up to `size` bytes from `start` on; a single read may give fewer."""
    file.seek(start)
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
