"""The unit of work: a stretch of a video that starts and ends at whole seconds.

A long video becomes many segments, so that it spreads over the cluster and no worker's memory depends on its length.
The segments of a video cover every grid point exactly once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from extractors.probe import VideoInfo

DEFAULT_SECONDS = 300


@dataclass(frozen=True)
class Segment:
    """Segment `index` of `count`: grid points in [`start_seconds`, `end_seconds`), to the end where that is None."""

    index: int = 0
    count: int = 1
    start_seconds: int = 0
    end_seconds: int | None = None


def plan_segments(
    info: VideoInfo,
    *,
    segment_seconds: int = DEFAULT_SECONDS,
    start_seconds: int = 0,
    end_seconds: int | None = None,
) -> list[Segment]:
    """Cut the part of a video between `start_seconds` and `end_seconds` into segments, in order.

    A file that cannot be entered in the middle stays whole: each of its segments would have to read all before it.
    """
    stop = math.ceil(info.duration_seconds)
    if end_seconds is not None:
        stop = min(stop, end_seconds)
    starts = list(range(start_seconds, stop, segment_seconds)) if info.can_seek else []
    starts = starts or [start_seconds]
    # The last one is open: a header's duration may be short of the last frame.
    ends: list[int | None] = [*starts[1:], end_seconds]
    return [Segment(index, len(starts), start, ends[index]) for index, start in enumerate(starts)]
