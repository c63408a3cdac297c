"""The events of a timeline: intervals in which a class stays above a threshold.

In: a `Timeline` and `EventRules`. Out: `Event`s in the order of their starts, then of their classes.

An event begins at a step whose score reaches the threshold and ends before the first step whose score is below the end
threshold, or that is missing. Events of a class that are no further apart than a gap become one; those that are too
short then are left out. The score of an event is the mean of its steps' scores.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from schemas.timelines import Event, EventRules, Timeline


def find_events(timeline: Timeline, rules: EventRules) -> list[Event]:
    """The events of a video."""
    is_strong = timeline.strong_scores >= rules.end_threshold
    order = np.lexsort((timeline.strong_steps[is_strong], timeline.strong_places[is_strong]))
    places = timeline.strong_places[is_strong][order]
    steps, scores = timeline.strong_steps[is_strong][order], timeline.strong_scores[is_strong][order]
    events: list[Event] = []
    for place in np.unique(places).tolist():
        ours = places == place
        events += _of_class(place, steps[ours], scores[ours], timeline.step_seconds, rules)
    return sorted(events, key=lambda event: (event.start_seconds, event.place))


def _of_class(
    place: int, steps: NDArray[np.int64], scores: NDArray[np.float32], step_seconds: float, rules: EventRules
) -> Iterator[Event]:
    """The events of one class, given its strong steps and their scores."""
    spans: list[tuple[int, int]] = []  # positions among the strong steps, the end exclusive
    starts = np.flatnonzero(np.diff(steps, prepend=-2) != 1).tolist()
    for start, stop in zip(starts, [*starts[1:], len(steps)], strict=True):
        above = np.flatnonzero(scores[start:stop] >= rules.threshold)
        if not len(above):
            continue
        start += int(above[0])
        if spans and (steps[start] - steps[spans[-1][1] - 1] - 1) * step_seconds <= rules.gap_seconds:
            start = spans.pop()[0]
        spans.append((start, stop))
    for start, stop in spans:
        event = Event(
            float(steps[start] * step_seconds),
            float((steps[stop - 1] + 1) * step_seconds),
            place,
            float(scores[start:stop].mean(dtype=np.float64)),
        )
        if event.end_seconds - event.start_seconds >= rules.min_seconds:
            yield event
