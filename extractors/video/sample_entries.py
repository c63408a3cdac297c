"""Sample entries of MP4 and MOV: what a track's header says about its samples, where libav keeps it to itself.

In: a seekable file. Out: a `SampleEntry` for each track. Reading is bounded, and a damaged header ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from extractors.video.boxes import Box, boxes_in, read_at, whole_of

MAX_ENTRY_BYTES = 1 << 20
VISUAL_BYTES = 86  # of an entry for pictures, before its boxes


@dataclass(frozen=True)
class SampleEntry:
    """The first sample entry of a track. `format` is its four characters, `content` all of its bytes."""

    track_id: int
    format: bytes
    content: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in an entry for pictures, in pixels."""
        return int.from_bytes(self.content[32:34]), int.from_bytes(self.content[34:36])

    def visual_box(self, kind: bytes) -> bytes | None:
        """The content of a box in an entry for pictures; None if it has none of this type."""
        at = VISUAL_BYTES
        while at + 8 <= len(self.content):
            size = int.from_bytes(self.content[at : at + 4])
            if self.content[at + 4 : at + 8] == kind:
                return self.content[at + 8 : at + size]
            at += max(size, 8)
        return None


def sample_entries(file: IO[bytes]) -> Iterator[SampleEntry]:
    """The sample entries of all tracks, as far as they can be read."""
    for movie in _find(file, whole_of(file), b"moov"):
        for track in _find(file, movie, b"trak"):
            header = next(_find(file, track, b"tkhd"), None)
            entries = _first(file, track, b"mdia", b"minf", b"stbl", b"stsd")
            if header is None or entries is None:
                continue
            version = read_at(file, header[1], 1)
            track_id = int.from_bytes(read_at(file, header[1] + (20 if version == b"\1" else 12), 4))
            content = read_at(file, entries[1] + 8, min(entries[2] - entries[1], MAX_ENTRY_BYTES))
            size = int.from_bytes(content[:4])
            yield SampleEntry(track_id, content[4:8], content[:size])
        return


def _first(file: IO[bytes], box: Box, *path: bytes) -> Box | None:
    """The first box at `path`."""
    found: Box | None = box
    for kind in path:
        found = None if found is None else next(_find(file, found, kind), None)
    return found


def _find(file: IO[bytes], outer: Box, kind: bytes) -> Iterator[Box]:
    """The boxes of one type within another box."""
    return (box for box in boxes_in(file, outer) if box[0] == kind)
