"""The time grid that frames and audio share: points k / fps seconds after the first frame, k = 0, 1, 2, …

Times are exact: timestamps are integers in the stream's time base (ticks), grid points are fractions of a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from schemas.numerals import number_of

MAX_DENOMINATOR = 1_000_000


def as_fps(fps: int | float | str | Fraction) -> Fraction:
    """A sampling rate in frames per second as an exact fraction; raises `ValueError` unless it is above 0."""
    try:
        rate = number_of(fps).limit_denominator(MAX_DENOMINATOR)
    except ValueError:
        raise ValueError(f"fps must be a number or a fraction above 0 (2, 0.5, 1/3), not {fps}") from None
    if rate <= 0:
        raise ValueError(f"fps must be above 0, not {fps}")
    return rate


@dataclass(frozen=True)
class Grid:
    """Grid points `first <= k < stop`; unbounded if `stop` is None.

    fps     points per second
    tick    seconds per timestamp unit (the stream's time base)
    origin  timestamp of the first frame, in ticks
    """

    fps: Fraction
    tick: Fraction
    origin: int
    first: int = 0
    stop: int | None = None

    def points(self, start_pts: int, end_pts: int) -> range:
        """The grid points of a frame that is on screen from `start_pts` to `end_pts` (exclusive)."""
        first = max(self._ceil_index(start_pts), self.first)
        stop = self._ceil_index(end_pts)
        return range(first, stop if self.stop is None else min(stop, self.stop))

    def sampled(self, timestamps: Sequence[int]) -> Iterator[tuple[int, range]]:
        """Those of several consecutive frames that have grid points: (position of the frame, its points), in order.

        `timestamps` are the presentation times of the frames, in order, and the end time of the last one.
        """
        numerator, denominator = self._points_per_tick
        indices = [-((self.origin - pts) * numerator // denominator) for pts in timestamps]
        for position, (start, end) in enumerate(pairwise(indices)):
            if start < end:
                points = range(max(start, self.first), end if self.stop is None else min(end, self.stop))
                if points:
                    yield position, points

    def seconds(self, index: int) -> Fraction:
        """The time of point `index` in seconds after the first frame."""
        return index / self.fps

    def pts(self, index: int) -> int:
        """The time of point `index` in ticks, rounded down."""
        return self.origin + math.floor(index / self.fps / self.tick)

    def is_over(self, pts: int) -> bool:
        """Whether every point of the grid lies before `pts`."""
        return self.stop is not None and self._ceil_index(pts) >= self.stop

    def _ceil_index(self, pts: int) -> int:
        numerator, denominator = self._points_per_tick
        return -((self.origin - pts) * numerator // denominator)

    @cached_property
    def _points_per_tick(self) -> tuple[int, int]:
        # Used for every packet: integers are ten times faster than `Fraction`.
        return (self.tick * self.fps).as_integer_ratio()


def index_range(fps: Fraction, start_seconds: Fraction, end_seconds: Fraction | None) -> tuple[int, int | None]:
    """The index range (first, stop) of the grid points in [`start_seconds`, `end_seconds`)."""
    stop = None if end_seconds is None else math.ceil(end_seconds * fps)
    return math.ceil(start_seconds * fps), stop
