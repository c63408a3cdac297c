"""Coverage of a video: the grid points that the whole file would have, and those that are missing.

A grid point is present if the frame on screen at its time was decoded intact. It is missing if that frame

- was lost: its packet could not be read (`extractors.video.packets` tells holes from still frames) or decoded, or gave
  no frame while the screen was frozen for more than half a second;
- is damaged: libav marks it as corrupt, or it follows a loss without a key frame in between, so that its references
  are missing;
- lies after the end of the readable part, up to the duration in the header.

The duration in the header is that of the video track, and of MP4 files joined to it, which libav does not read. The
duration of the whole file counts only where both video and audio end well before it, since it may belong to another
track. Containers that measure their duration by the last timestamp (MPEG streams) declare none, and those of joined
recordings (`extractors.video.splices`) that of one part at most: what is missing at their end is unknown. So it is in
raw streams: their frames are certain, and their seconds the number of these at the frame rate, assumed if they state
none (`extractors.video.frame_rate`).

Losses before the first intact frame, the origin of the grid, count at negative times, a grid interval that has begun as
a whole one: frames that are damaged or lost, and those that the decoder drops in silence because the recording was cut
before a key frame. A late start of the video is no loss: its packets start late as well.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.stream import VideoStream

from extractors.video.grid import Grid
from extractors.video.media import Media, Source
from schemas.numerals import seconds_of_clock

MIN_COVERAGE = 0.5
TOLERANCE_SECONDS = Fraction(1, 2)  # allowed error of the header
ROUNDING_SECONDS = Fraction(1, 100)  # of timestamps in milliseconds, and less than a frame
JUMP_SECONDS = 600  # a frame on screen for longer is a timestamp jump, unless the header's duration allows for it
MIN_BYTES_PER_SECOND = 1  # a header that declares more seconds than the file has bytes is damaged
END_TIME_FORMATS = ("matroska", "asf")  # whose "duration" is the end time of the last frame, not the length
TRACK_LENGTH_FORMATS = ("mov", "asf", "ivf")  # which store the length of each track; Matroska's is a tag


@dataclass(frozen=True)
class DeclaredEnd:
    """The end of the video by the file's header, on the container's clock; of its own track or of the whole file."""

    end_seconds: Fraction
    is_of_video_track: bool


def declared_end(media: Media, source: Source) -> DeclaredEnd | None:
    """The end declared in the header of `media`, opened from `source`; None if it is missing or implausible."""
    declared = _read_declared_end(media, source)
    return declared if declared is not None and is_plausible(media, declared.end_seconds) else None


def is_plausible(media: Media, seconds: Fraction) -> bool:
    """Whether a file of this size can last `seconds`."""
    size = media.container.size
    return seconds > 0 and (size <= 0 or seconds * MIN_BYTES_PER_SECOND <= size)


def _read_declared_end(media: Media, source: Source) -> DeclaredEnd | None:
    video, container = media.video, media.container
    assert video.time_base is not None
    whole = Fraction(container.duration, av.time_base) if container.duration else None
    if media.format in TRACK_LENGTH_FORMATS and video.duration:
        start = 0 if media.format in END_TIME_FORMATS else video.start_time or 0
        return DeclaredEnd((start + video.duration) * video.time_base + sum(media.unread_files), True)
    if media.format == "matroska":
        length = _tagged_duration(video)
        if length is not None:  # tools that trim a file may leave the tag unchanged
            return DeclaredEnd(min(length, whole or length), True)
        return DeclaredEnd(whole, False) if whole else None
    if media.format == "flv" and whole:
        return DeclaredEnd(whole, False)
    if media.format == "avi":  # libav reduces the length to what the file can hold
        length = _avi_seconds(source)
        return DeclaredEnd(length, True) if length else None
    return None


def _tagged_duration(video: VideoStream) -> Fraction | None:
    """The duration in the tags of a track of Matroska, in seconds."""
    try:
        return seconds_of_clock(video.metadata.get("DURATION", ""))
    except ValueError:
        return None


def _avi_seconds(source: Source) -> Fraction | None:
    """Frame count times frame duration from the main header, which nearly every AVI starts with."""
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
    """The grid points [`first`, `stop`) that a segment should have, known at the end of a pass over it.

    `head_points` counts those missing before the first intact frame. `spliced_seconds` is the length of a spliced
    video, as far as it was read; None for others, whose headers tell.
    """

    def __init__(self) -> None:
        self.first = self.stop = 0
        self.head_points = 0
        self.spliced_seconds: Fraction | None = None

    def finish(
        self,
        grid: Grid,
        *,
        is_exhausted: bool,
        end_pts: int,
        head_pts: int,
        audio_end_seconds: float,
        is_spliced: bool,
        declared_end: DeclaredEnd | None,
    ) -> None:
        """Set the range after the pass.

        is_exhausted       whether the pass ended with the file, not with the grid
        end_pts            end of the last frame read, lost ones included
        head_pts           timestamp of the first frame, lost ones included
        audio_end_seconds  end of the last audio packet read, on the container's clock
        is_spliced         whether what was read are parts with clocks of their own
        """
        self.first = grid.first
        if is_exhausted or grid.stop is None:
            if declared_end is not None:
                read_seconds = end_pts * grid.tick
                if not declared_end.is_of_video_track:
                    read_seconds = max(read_seconds, Fraction(audio_end_seconds))
                if declared_end.end_seconds > read_seconds + TOLERANCE_SECONDS:
                    end_pts = math.floor(declared_end.end_seconds / grid.tick)
            self.stop = grid.points(grid.origin, end_pts).stop
        else:
            self.stop = grid.stop
        if is_spliced:
            read_seconds = (end_pts - grid.origin) * grid.tick
            self.spliced_seconds = read_seconds if is_exhausted else max(read_seconds, grid.seconds(self.stop))
        if grid.first == 0:
            head_seconds = (grid.origin - head_pts) * grid.tick
            self.head_points = max(0, math.ceil((head_seconds - ROUNDING_SECONDS) * grid.fps))

    def missing_ranges(self, present: Sequence[int]) -> list[tuple[int, int]]:
        """Ranges [first, stop) of missing grid points, given the points `present`, in order."""
        ranges = [(-self.head_points, 0)] if self.head_points else []
        inside = np.asarray(present, np.int64)
        inside = inside[(inside >= self.first) & (inside < self.stop)]
        bounds = np.concatenate([[self.first - 1], inside, [max(self.stop, self.first)]])
        for place in np.flatnonzero(np.diff(bounds) > 1).tolist():
            ranges.append((int(bounds[place]) + 1, int(bounds[place + 1])))
        return ranges
