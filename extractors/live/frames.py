"""The frames of a live view: those on screen at the points of the clip format's time grid, each when it is due.

In: an open source and the format. Out: `LiveFrame`s in order, uint8 (H, W, 3) RGB, upright, resized and cropped as
`extractors.clips.decode` does. Of a whole file they are the frames that `extractors.video.decode` samples, at the pace
of a player; of a stream likewise, as they arrive. A format without a rate takes every frame of the source.

What is on screen at a point is known for sure when the next frame is there: frames of a stream come one frame late.
A point whose frame was not decoded, damaged or lost has none, and a frame of a stream stands for no more than
`STILL_SECONDS`: where it lasts longer, the stream has stalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av.error
import numpy as np
from numpy.typing import NDArray

from extractors.clips.crops import crop_corners, resized
from extractors.live.pace import Pace
from extractors.live.packets import LivePackets
from extractors.video.coverage import declared_end
from extractors.video.full_decode import FullDecode, no_frame_error
from extractors.video.grid import Grid, as_fps
from extractors.video.image import RgbConverter
from extractors.video.media import MAX_PIXELS, Media
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, VideoError

STILL_SECONDS = 1
NO_FRAME = "it ended before it sent a frame that can be decoded: no key frame has come whole"


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """The frame on screen at one point of the grid.

    seconds    of the view
    due        when it was due, a time of `time.monotonic`
    image      uint8 (H, W, 3) RGB
    undecoded  points before it without a frame, because decoding did not keep up
    lost       likewise, because frames were damaged or did not come
    """

    seconds: float
    due: float
    image: NDArray[np.uint8]
    undecoded: int
    lost: int


class LiveFrames:
    """The frames of `media`, which begins at `start_seconds` of the view; iterate once. A file has a path, `file`.

    error        what ended the stream, afterwards; None at its regular end
    end_seconds  of the latest frame in the view
    """

    def __init__(
        self,
        media: Media,
        clip_format: ClipFormat,
        pace: Pace,
        *,
        start_seconds: float = 0.0,
        file: str | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._media, self._format, self._pace = media, clip_format, pace
        self._start_seconds, self._max_pixels = start_seconds, max_pixels
        self.end_seconds = start_seconds
        self._declared_end_pts = None if file is None else _declared_end_pts(media, file)
        self._packets = LivePackets(media, pace, start_seconds, self._declared_end_pts)
        self._fps = None if clip_format.fps is None else as_fps(clip_format.fps)
        self._next_index = 0  # of the point after the latest one
        self._skipped = 0

    @property
    def error(self) -> av.error.FFmpegError | None:
        """What ended the stream."""
        return self._packets.error

    def __iter__(self) -> Iterator[LiveFrame]:
        """Each frame when it is due.

        Raises:
            VideoError: for a source without a decodable frame.
        """
        tick = self._media.video.time_base
        assert tick is not None
        to_rgb = RgbConverter(self._media.crop)
        decode = FullDecode(self._media, self._packets, self._declared_end_pts)
        grid: Grid | None = None
        for frame, pts, end_pts in decode.frames():
            to_rgb.follow(frame)
            if grid is None:
                grid = Grid(self._fps or Fraction(1), tick, pts)
            self.end_seconds = self._start_seconds + float((end_pts - grid.origin) * tick)
            undecoded, lost, points = self._points(grid, pts, end_pts)
            image: NDArray[np.uint8] | None = None
            for seconds in points:
                if image is None:
                    image = self._cropped(to_rgb(frame))
                    self._pace.meet(seconds)
                self._pace.wait(seconds)
                yield LiveFrame(seconds, self._pace.due(seconds), image, undecoded, lost)
                undecoded = lost = 0
        if grid is None and self.error is None:
            if self._pace.is_whole:
                raise no_frame_error(self._media, self._max_pixels)
            raise VideoError(FailureCode.NO_DECODABLE_FRAME, NO_FRAME)

    def _points(self, grid: Grid, pts: int, end_pts: int) -> tuple[int, int, Iterable[float]]:
        """Points before a frame without one: not decoded, and lost; and the times of those that it is on screen at."""
        skipped, self._skipped = self._packets.skipped - self._skipped, self._packets.skipped
        if self._fps is None:
            return skipped, 0, [self._start_seconds + float((pts - grid.origin) * grid.tick)]
        if not self._pace.is_whole:
            end_pts = min(end_pts, pts + int(STILL_SECONDS / grid.tick))
        points = grid.points(pts, end_pts)
        if not points:
            self._skipped -= skipped  # belongs to the next point
            return 0, 0, ()
        missing, self._next_index = points.start - self._next_index, points.stop
        undecoded = missing if skipped else 0
        # One by one: a damaged timestamp can make a frame of a file stay for years.
        return undecoded, missing - undecoded, (self._start_seconds + float(grid.seconds(index)) for index in points)

    def _cropped(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        form = self._format
        image = resized(image, form.resize)
        ((top, left),) = crop_corners(image, form.height, form.width)
        return np.ascontiguousarray(image[top : top + form.height, left : left + form.width])


def _declared_end_pts(media: Media, file: str) -> int | None:
    end, tick = declared_end(media, file), media.video.time_base
    return None if end is None or tick is None else ceil(end.end_seconds / tick)
