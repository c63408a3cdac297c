"""The unit of work: a stretch of a video that starts and ends at whole seconds.

A long video becomes many segments, so that it spreads over the cluster and no worker's memory depends on its length.
The segments of a video cover every grid point exactly once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

DEFAULT_SECONDS = 300


@dataclass(frozen=True)
class Segment:
    """Segment `index` of `count`: grid points in [`start_seconds`, `end_seconds`), to the end where that is None."""

    index: int = 0
    count: int = 1
    start_seconds: int = 0
    end_seconds: int | None = None


def plan_segments(
    duration_seconds: Fraction | None,
    *,
    segment_seconds: int = DEFAULT_SECONDS,
    start_seconds: int = 0,
    end_seconds: int | None = None,
) -> list[Segment]:
    """Cut the part of a video between `start_seconds` and `end_seconds` into segments, in order.

    `duration_seconds` is None for a video of unknown length and for one that cannot be entered in the middle: it stays
    whole, because each of its segments would have to read all before it.
    """
    stop = 0 if duration_seconds is None else math.ceil(duration_seconds)
    if end_seconds is not None:
        stop = min(stop, end_seconds)
    starts = list(range(start_seconds, stop, segment_seconds)) or [start_seconds]
    # The last one is open: a header's duration may be short of the last frame.
    ends: list[int | None] = [*starts[1:], end_seconds]
    return [Segment(index, len(starts), start, ends[index]) for index, start in enumerate(starts)]
