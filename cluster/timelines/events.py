"""Events of a timeline: the intervals in which a class stays above a threshold.

Each class goes by itself. An event begins at a step whose score is at least `threshold`, and lasts as long as each
following step is there and has at least `end_threshold` (hysteresis); it ends where the score falls below, and where a
step is missing because the video is damaged. Step k takes the time [k, k + 1) · step_seconds, so that an event of the
steps a to b lasts from a to b + 1 times `step_seconds`. Events of a class that are at most `gap_seconds` apart become
one, whatever lies between them; those shorter than `min_seconds` after that are left out. Both lengths are compared in
whole steps, so that 3 steps of 0.1 s are 0.3 s.

An event's score is the mean of the class's scores, unweighted and in float64, over the steps from its start to its end
that have at least `end_threshold`. Of a bridged gap, then, missing steps and weaker ones count neither in the sum nor
in the number of steps; steps that are strong enough to last but began no event of their own count in both.

m strong scores, e events.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from schemas.timelines import Event, EventRules, Timeline

TOLERANCE = 1e-6
"""Steps by which a length in seconds may miss a whole number of steps, since 0.3 / 0.1 is not 3."""


def find_events(timeline: Timeline, rules: EventRules) -> list[Event]:
    """The events in order of their starts, those that start together in order of their classes.

    Of the timeline, the strong scores are looked at: all scores of at least `end_threshold` must be among them.
    """
    steps, places, scores = _by_class(timeline, rules.end_threshold)
    begins, ends = _intervals(steps, places, scores >= rules.threshold)

    # Bridged gaps: of neighbours that become one, the first one's begin and the last one's end are kept.
    most = math.floor(rules.gap_seconds / timeline.step_seconds + TOLERANCE)
    gaps = steps[begins[1:]] - steps[ends[:-1] - 1] - 1
    apart = (places[begins[1:]] != places[begins[:-1]]) | (gaps > most)
    begins = begins[np.append(True, apart)[: len(begins)]]
    ends = ends[np.append(apart, True)[: len(ends)]]

    least = math.ceil(rules.min_seconds / timeline.step_seconds - TOLERANCE)
    long = steps[ends - 1] + 1 - steps[begins] >= least
    begins, ends = begins[long], ends[long]

    columns = (steps[begins], steps[ends - 1], places[begins], _means(scores, begins, ends))
    order = np.lexsort((columns[2], columns[0]))
    return [
        Event(first * timeline.step_seconds, (last + 1) * timeline.step_seconds, place, score)
        for first, last, place, score in zip(*(column[order].tolist() for column in columns), strict=True)
    ]


def _by_class(
    timeline: Timeline, end_threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.float32]]:
    """Steps, classes and scores of at least the threshold, (m,) each, in order of the classes, then of the steps."""
    strong = timeline.strong_scores >= end_threshold
    places = timeline.strong_places[strong]
    # The steps ascend already: a stable sort keeps their order. On 16 bits it is a radix sort, ten times as fast.
    narrow = places.astype(np.uint16) if places.size and places.max() < 2**16 else places
    order = np.argsort(narrow, kind="stable")
    return timeline.strong_steps[strong][order], places[order], timeline.strong_scores[strong][order]


def _intervals(
    steps: NDArray[np.int64], places: NDArray[np.intp], high: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where events begin and end (exclusive) among the strong scores, (e,) each, before gaps are bridged."""
    # A run: strong scores of a class at consecutive steps. Its event begins at its first high score, if it has one.
    starts_run = np.append(True, (np.diff(places) != 0) | (np.diff(steps) != 1))[: len(steps)]
    run = np.cumsum(starts_run) - 1  # (m,)
    run_ends = np.append(np.flatnonzero(starts_run)[1:], len(steps))
    candidates = np.flatnonzero(high)
    runs, first = np.unique(run[candidates], return_index=True)
    return candidates[first], run_ends[runs]


def _means(scores: NDArray[np.float32], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mean of scores[begin:end] of each event, which follow one another: begin < end ≤ the next begin."""
    # reduceat sums from each index to the next; every other sum is an event's. The zero makes m an index.
    bounds = np.stack([begins, ends], axis=1).ravel()  # (2e,)
    sums = np.add.reduceat(np.append(scores.astype(np.float64), 0.0), bounds)[::2]
    return np.asarray(sums / (ends - begins))
