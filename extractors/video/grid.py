"""The one time grid that pictures and sound share: the points k / fps seconds after the first frame, k = 0, 1, 2, …

Time is exact: timestamps are integers in the stream's time base, grid points are fractions of a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

MAX_DENOMINATOR = 1_000_000


def as_fps(fps: int | float | str | Fraction) -> Fraction:
    """A sampling rate in frames a second as an exact fraction; raises `ValueError` unless it is above zero."""
    try:
        rate = Fraction(fps).limit_denominator(MAX_DENOMINATOR)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(f"fps must be a number or a fraction above 0 (2, 0.5, 1/3), not {fps}") from None
    if rate <= 0:
        raise ValueError(f"fps must be above 0, not {fps}")
    return rate


@dataclass(frozen=True)
class Grid:
    """Grid points `first <= k < stop` (no end where `stop` is None).

    fps     points a second
    tick    seconds a timestamp unit lasts (the stream's time base)
    origin  timestamp of the first frame, in ticks
    """

    fps: Fraction
    tick: Fraction
    origin: int
    first: int = 0
    stop: int | None = None

    def points(self, start_pts: int, end_pts: int) -> range:
        """The grid points at which a frame is seen that is on screen from `start_pts` until `end_pts` (exclusive)."""
        first = max(self._ceil_index(start_pts), self.first)
        stop = self._ceil_index(end_pts)
        return range(first, stop if self.stop is None else min(stop, self.stop))

    def seen(self, stamps: Sequence[int]) -> Iterator[tuple[int, range]]:
        """Which of several frames are seen: (position in `stamps`, points), in order.

        `stamps` are when they come on screen, in order, and when the last of them leaves it.
        """
        points, ticks = self._points_per_ticks
        indices = [-((self.origin - pts) * points // ticks) for pts in stamps]
        for position, (start, end) in enumerate(pairwise(indices)):
            if start < end:
                there = range(max(start, self.first), end if self.stop is None else min(end, self.stop))
                if there:
                    yield position, there

    def seconds(self, index: int) -> Fraction:
        """Where point `index` lies, in seconds after the first frame."""
        return index / self.fps

    def pts(self, index: int) -> int:
        """The last timestamp at or before point `index`, in ticks."""
        return self.origin + math.floor(index / self.fps / self.tick)

    def is_over(self, pts: int) -> bool:
        """Whether every point of the grid lies before `pts`."""
        return self.stop is not None and self._ceil_index(pts) >= self.stop

    def _ceil_index(self, pts: int) -> int:
        points, ticks = self._points_per_ticks
        return -((self.origin - pts) * points // ticks)

    @cached_property
    def _points_per_ticks(self) -> tuple[int, int]:
        # Asked for every packet: whole numbers are ten times faster than fractions.
        return (self.tick * self.fps).as_integer_ratio()


def index_range(fps: Fraction, start_seconds: Fraction, end_seconds: Fraction | None) -> tuple[int, int | None]:
    """Grid indices (first, stop) of the points in [`start_seconds`, `end_seconds`)."""
    stop = None if end_seconds is None else math.ceil(end_seconds * fps)
    return math.ceil(start_seconds * fps), stop
