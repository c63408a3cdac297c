"""Segments of a video, the unit of work; they last a whole number of seconds.

A long video becomes many segments, which spreads it over the cluster and bounds the memory of a worker. The segments of
a video cover every grid point exactly once.

A network that remembers what it has seen (`classifiers.layers.stream`) goes through the segments one after the other:
each begins with the state after the one before it. Segments without a state do not depend on one another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from schemas.videos import Seconds

DEFAULT_SECONDS = 300
MAX_SEGMENTS = 10_000  # of a video; segments of a longer one are longer


@dataclass(frozen=True)
class Segment:
    """Segment `index` of `count`: the grid points in [`start_seconds`, `end_seconds`), None for the video's end.

    `state` is what a network remembers of the video before it, by names; it takes no part in comparisons.
    """

    index: int = 0
    count: int = 1
    start_seconds: Seconds = 0
    end_seconds: Seconds | None = None
    state: Mapping[str, NDArray[Any]] | None = field(default=None, compare=False, repr=False)

    def following(self, state: Mapping[str, NDArray[Any]], end_seconds: Seconds | None) -> Segment | None:
        """The next segment, with the state after this one, of a video used up to `end_seconds`; None after the last."""
        if self.index + 1 == self.count:
            return None
        assert self.end_seconds is not None  # as of all but the last
        index, start = self.index + 1, self.end_seconds
        stop = end_seconds if index + 1 == self.count else start + self.end_seconds - self.start_seconds
        return Segment(index, self.count, start, stop, state)


def plan_segments(
    duration_seconds: Fraction | None,
    *,
    segment_seconds: int = DEFAULT_SECONDS,
    start_seconds: Seconds = 0,
    end_seconds: Seconds | None = None,
) -> list[Segment]:
    """Cut the part of a video between `start_seconds` and `end_seconds` into segments, in order.

    `duration_seconds` is None if the length is unknown or the file has no index: the video then is one segment, because
    every later one would have to read the whole file before it.
    """
    stop: Seconds = 0 if duration_seconds is None else math.ceil(duration_seconds)
    if end_seconds is not None:
        stop = min(stop, end_seconds)
    segment_seconds = max(segment_seconds, -(-(stop - start_seconds) // MAX_SEGMENTS))
    count = max(-(-(stop - start_seconds) // segment_seconds), 1)
    starts = [start_seconds + number * segment_seconds for number in range(count)]
    # The last segment is open-ended: the duration in the header may end before the last frame.
    ends: list[Seconds | None] = [*starts[1:], end_seconds]
    return [Segment(index, len(starts), start, ends[index]) for index, start in enumerate(starts)]
