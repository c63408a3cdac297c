"""What sampling hands out, and what it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from extractors.video.coverage import Extent, Promise
from extractors.video.grid import Grid
from extractors.video.media import Media
from extractors.video.packets import PacketReader
from extractors.video.sound import Sound


@dataclass(frozen=True, slots=True)
class Sample:
    """What is on screen at one grid point.

    index    k, counted from the first frame of the video
    seconds  k / fps
    pts      timestamp of the frame, in the stream's time base
    image    (H, W, 3) uint8 RGB; the same object for all points at which the same frame is seen
    """

    index: int
    seconds: Fraction
    pts: int
    image: NDArray[np.uint8]


class Points(Protocol):
    """Points in time at which frames are wanted, in order: a `Grid`, or `extractors.clips.moments.Moments`."""

    @property
    def origin(self) -> int:
        """Timestamp of the first frame, in ticks."""

    @property
    def first(self) -> int:
        """Index of the first point."""

    def points(self, start_pts: int, end_pts: int) -> range:
        """Those at which a frame is seen that is on screen from `start_pts` until `end_pts` (exclusive)."""

    def seen(self, stamps: Sequence[int]) -> Iterator[tuple[int, range]]:
        """Which of several frames are seen: (position in `stamps`, points), in order; the last stamp ends the last."""

    def seconds(self, index: int) -> Fraction:
        """Where a point lies, in seconds after the first frame."""

    def pts(self, index: int) -> int:
        """The last timestamp at or before a point."""

    def is_over(self, pts: int) -> bool:
        """Whether every point lies before `pts`."""


P = TypeVar("P", bound=Points)


class SamplingRequest(Protocol[P]):
    """What a pass over a video is asked for: `GridRequest`, or `extractors.clips.moments.WantedMoments`."""

    @property
    def sound(self) -> Sound | None:
        """Where sound goes that comes past."""

    def place(self, media: Media, origin: int) -> P:
        """The points of a video whose first frame has the timestamp `origin`."""

    def promised_pts(self, media: Media) -> int | None:
        """When the pictures end by the header, in ticks."""

    def finish(self, grid: P, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int) -> None:
        """The pass is over."""


@dataclass(frozen=True)
class GridRequest:
    """Which grid points are wanted of a video, and who else learns from the pass over it."""

    fps: Fraction
    first: int
    stop: int | None
    sound: Sound | None
    extent: Extent
    promise: Promise | None
    max_pixels: int

    def place(self, media: Media, origin: int) -> Grid:
        """The grid of a video whose first frame has the timestamp `origin`."""
        assert media.video.time_base is not None
        grid = Grid(self.fps, media.video.time_base, origin, self.first, self.stop)
        if self.sound is not None:
            self.sound.place(grid)
        return grid

    def promised_pts(self, media: Media) -> int | None:
        """When the pictures end by the header, in ticks."""
        assert media.video.time_base is not None
        return None if self.promise is None else math.ceil(self.promise.end_seconds / media.video.time_base)

    def finish(self, grid: Grid, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int) -> None:
        """The pictures are through: hear the rest of the sound, and settle the extent."""
        if self.sound is not None:
            self.sound.finish(packets)
        self.extent.settle(
            grid,
            is_exhausted=is_exhausted,
            end_pts=end_pts,
            head_pts=head_pts,
            sound_seconds=packets.sound_seconds,
            promise=self.promise,
        )
