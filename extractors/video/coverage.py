"""How much of a video is there: the grid points that a whole file would have, and those that are missing.

A grid point is there if the picture on screen at its moment was decoded, intact. It is missing if that picture

- was lost: its packet could not be read (`extractors.video.packets` tells holes from pictures that stay) or decoded, or
gave
  no frame while the screen stood still for over half a second;
- is damaged: libav marks it as corrupt, or it comes after a loss and before the next key frame, so that it is made
  from pictures that are not there;
- lies behind the end of what can be read, where the header promises more.

What a header promises is its video track's own length; the length of the whole file counts only where neither picture
nor sound comes near it, for it may be that of another track. Containers that measure their length by their last
timestamp (MPEG streams) promise nothing. Losses before the first intact picture, where the grid begins, count as well,
at negative times.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

import av

from extractors.video.grid import Grid
from extractors.video.media import Media, Source

MIN_COVERAGE = 0.5
TOLERANCE_SECONDS = Fraction(1, 2)  # by which a header may be wrong
LEAP_SECONDS = 600  # a picture that stays longer than this does so only if the header has room for it
MIN_BYTES_PER_SECOND = 1  # a header that promises more time than the file has bytes is damaged
ENDS = ("matroska", "asf")  # formats whose "duration" is when the last picture ends, wherever the first begins
TRACK_LENGTHS = ("mov", "asf", "ivf")  # formats that keep the length of each track; Matroska's is a tag


@dataclass(frozen=True)
class Promise:
    """When the pictures end by the file's header, on the container's clock; `is_of_track` if it says so of them."""

    end_seconds: Fraction
    is_of_track: bool


def promised_end(media: Media, source: Source) -> Promise | None:
    """What the header of `media`, which is `source` opened, promises; None where it keeps silent or makes no sense."""
    promise = _promise(media, source)
    return promise if promise is not None and is_plausible(media, promise.end_seconds) else None


def is_plausible(media: Media, seconds: Fraction) -> bool:
    """Whether a file of that size can last so long."""
    size = media.container.size
    return seconds > 0 and (size <= 0 or seconds * MIN_BYTES_PER_SECOND <= size)


def _promise(media: Media, source: Source) -> Promise | None:
    video, container = media.video, media.container
    assert video.time_base is not None
    whole = Fraction(container.duration, av.time_base) if container.duration else None
    if media.format in TRACK_LENGTHS and video.duration:
        start = 0 if media.format in ENDS else video.start_time or 0
        return Promise((start + video.duration) * video.time_base, True)
    if media.format == "matroska":
        length = _clock(video.metadata.get("DURATION", ""))
        if length is not None:  # tools that shorten a file may leave the tag as it was
            return Promise(min(length, whole or length), True)
        return Promise(whole, False) if whole else None
    if media.format == "flv" and whole:
        return Promise(whole, False)
    if media.format == "avi":  # libav cuts the length down to what the file can hold
        length = _avi_seconds(source)
        return Promise(length, True) if length else None
    return None


def _clock(text: str) -> Fraction | None:
    """`01:02:03.5` in seconds."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None


def _avi_seconds(source: Source) -> Fraction | None:
    """Frames times their duration by the main header, which nearly every AVI begins with."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            head = file.read(64)
    else:
        position = source.tell()
        source.seek(0)
        head = source.read(64)
        source.seek(position)
    if len(head) < 64 or head[24:28] != b"avih":
        return None
    return Fraction(int.from_bytes(head[32:36], "little") * int.from_bytes(head[48:52], "little"), 1_000_000)


class Extent:
    """Learns in one pass over a segment which grid points it should have: those in [`first`, `stop`).

    `head_points` are missing before the video's first picture.
    """

    def __init__(self) -> None:
        self.first = self.stop = 0
        self.head_points = 0

    def settle(
        self,
        grid: Grid,
        *,
        is_exhausted: bool,
        end_pts: int,
        head_pts: int,
        sound_seconds: float,
        promise: Promise | None,
    ) -> None:
        """The pass is over: `is_exhausted` if because the file was, and not the grid.

        end_pts        when the last picture ends that was read, be it lost
        head_pts       when the first picture was to be seen, be it lost
        sound_seconds  when the last sound ends that was read, on the container's clock
        """
        self.first = grid.first
        if is_exhausted or grid.stop is None:
            if promise is not None:
                end_seconds = end_pts * grid.tick
                reach_seconds = end_seconds if promise.is_of_track else max(end_seconds, Fraction(sound_seconds))
                if promise.end_seconds > reach_seconds + TOLERANCE_SECONDS:
                    end_pts = math.floor(promise.end_seconds / grid.tick)
            self.stop = grid.points(grid.origin, end_pts).stop
        else:
            self.stop = grid.stop
        if grid.first == 0:
            self.head_points = math.floor((grid.origin - head_pts) * grid.tick * grid.fps)

    def missing(self, present: Sequence[int]) -> list[tuple[int, int]]:
        """Stretches of grid points [first, stop) that are missing, given those that are there."""
        there = frozenset(present)
        stretches = [(-self.head_points, 0)] if self.head_points else []
        gone = [index for index in range(self.first, self.stop) if index not in there]
        for _, run in groupby(enumerate(gone), key=lambda item: item[1] - item[0]):
            indices = [index for _, index in run]
            stretches.append((indices[0], indices[-1] + 1))
        return stretches
