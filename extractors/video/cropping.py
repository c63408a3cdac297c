"""Cropping by the container: the clean aperture of MP4 and MOV (`clap`), and `PixelCrop…` of Matroska.

In: a seekable file. Out: a `Crop`, the edges of the decoded picture that players and FFmpeg's tools do not show. libav
reads it too, but PyAV has no way to it. Cropping within the video stream is the decoder's and is no matter here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.video.boxes import read_at
from extractors.video.sample_entries import SampleEntry

MAX_ELEMENTS = 64  # of Matroska, before its tracks
MAX_TRACKS_BYTES = 4 << 20
MAX_HEADER_BYTES = 16
SEGMENT, CLUSTER, TRACKS = 0x18538067, 0x1F43B675, 0x1654AE6B
TRACK, TRACK_TYPE, VIDEO = 0xAE, 0x83, 0xE0
VIDEO_TYPE = 1
CROP_BOTTOM, CROP_TOP, CROP_LEFT, CROP_RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD


class Crop(NamedTuple):
    """Rows and columns of the decoded picture that are not shown."""

    top: int
    bottom: int
    left: int
    right: int

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of `image` (H, W, 3) that is shown; all of it if nothing would remain."""
        height, width = image.shape[:2]
        if self.top + self.bottom >= height or self.left + self.right >= width:
            return image
        return image[self.top : height - self.bottom, self.left : width - self.right]


def clean_aperture(entry: SampleEntry) -> Crop | None:
    """The crop of a track of MP4 or MOV; None without a valid one.

    The aperture's size and the distance of its centre from that of the picture are fractions.
    """
    content = entry.visual_box(b"clap")
    if content is None or len(content) < 32:
        return None
    width, height = entry.size
    numbers = [int.from_bytes(content[at : at + 4], signed=True) for at in range(0, 32, 4)]
    denominators = numbers[1::2]
    if min(denominators) <= 0:
        return None
    wide, high, right, down = (Fraction(*pair) for pair in zip(numbers[::2], denominators, strict=True))
    left, top = (width - wide) / 2 + right, (height - high) / 2 + down
    if min(wide - 1, high - 1, left, top, width - wide - left, height - high - top) < 0:
        return None
    # Rounded as in libav: down, both at the first and at the last row and column.
    crop = Crop(int(top), height - 1 - int(top + high - 1), int(left), width - 1 - int(left + wide - 1))
    return crop if any(crop) else None


def matroska_crops(file: IO[bytes]) -> Iterator[Crop | None]:
    """The crop of each video track of a Matroska file, in order; None for one without."""
    for kind, content in _elements(_tracks(file)):
        track = dict(_elements(content)) if kind == TRACK else {}
        if int.from_bytes(track.get(TRACK_TYPE, b"")) == VIDEO_TYPE:
            video = dict(_elements(track.get(VIDEO, b"")))
            edges = (CROP_TOP, CROP_BOTTOM, CROP_LEFT, CROP_RIGHT)
            crop = Crop(*(int.from_bytes(video.get(edge, b"")) for edge in edges))
            yield crop if any(crop) else None


def _tracks(file: IO[bytes]) -> bytes:
    """The content of the element that holds the tracks; empty where no such element precedes the media data."""
    start, end = 0, file.seek(0, os.SEEK_END)
    for _ in range(MAX_ELEMENTS):
        if start >= end:
            break
        kind, size, header_bytes = _header(read_at(file, start, MAX_HEADER_BYTES), 0)
        if kind == TRACKS:
            return read_at(file, start + header_bytes, min(size, MAX_TRACKS_BYTES))
        if kind in (0, CLUSTER):
            break
        start += header_bytes if kind == SEGMENT else header_bytes + size
    return b""


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in `data`: identifier and content."""
    at = 0
    while at < len(data):
        kind, size, at = _header(data, at)
        if not kind:
            return
        yield kind, data[at : at + size]
        at += size


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Identifier and size of the element at `at`, and where its content starts; the identifier is 0 if there is none.

    EBML's integers have a variable size, marked by the position of the first bit that is set. Identifiers keep it.
    """
    numbers = []
    for _ in range(2):
        if at >= len(data) or not data[at]:
            return 0, 0, at
        end = at + 9 - data[at].bit_length()
        numbers.append(int.from_bytes(data[at:end]))
        marker = 1 << 7 * (end - at)
        at = end
    return numbers[0], numbers[1] & (marker - 1), at
