"""What an animated WebP file says of itself: https://developers.google.com/speed/webp/docs/riff_container."""

from __future__ import annotations

from collections.abc import Iterator


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the file's chunks."""
    place = 12
    while place < len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        yield content[place : place + 4], content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def durations_of(content: bytes) -> list[int]:
    """The milliseconds of each frame."""
    return [int.from_bytes(chunk[12:15], "little") for name, chunk in chunks(content) if name == b"ANMF"]


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height."""
    (header,) = (chunk for name, chunk in chunks(content) if name == b"VP8X")
    width, height = (int.from_bytes(header[place : place + 3], "little") + 1 for place in (4, 7))
    return width, height
