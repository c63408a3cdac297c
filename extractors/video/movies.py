"""MP4 and MOV files joined end to end (`cat a.mp4 b.mp4`), of which libav, like players, reads the first one alone.

In: a seekable file. Out: the lengths of those that follow. Only headers are read: those of a few boxes.
"""

from __future__ import annotations

from fractions import Fraction
from typing import IO

from extractors.video.boxes import Box, boxes_in, read_at, whole_of


def unread_files(file: IO[bytes]) -> tuple[Fraction, ...]:
    """The length of each further file in seconds."""
    lengths: list[Fraction] = []
    has_movie = is_further = False
    for box in boxes_in(file, whole_of(file)):
        if box[0] == b"moof":
            break  # thousands follow, and libav reads on through those
        if box[0] == b"ftyp":
            is_further = has_movie
        elif box[0] == b"moov":
            has_movie = True
            if is_further:
                lengths.append(_length(file, box))
    return tuple(lengths)


def _length(file: IO[bytes], movie: Box) -> Fraction:
    header = next((box for box in boxes_in(file, movie) if box[0] == b"mvhd"), None)
    if header is None:
        return Fraction(0)
    fields = read_at(file, header[1], 32)
    scale, length = (fields[20:24], fields[24:32]) if fields[:1] == b"\1" else (fields[12:16], fields[16:20])
    return Fraction(int.from_bytes(length), int.from_bytes(scale) or 1)
