"""Timelines with known numbers: of a video, and as a report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from cluster.timelines.events import find_events
from schemas.labels import LabelClasses, LabelStamp, label_table
from schemas.sampled_timelines import NOTHING, SampledEvent, SampledTimeline, TimelineClass
from schemas.timelines import EventRules, Timeline, with_timelines

NAMES = ("zero", "one", "two")
INDICES = (10, 11, 12)
CLASSES = LabelClasses(np.array(INDICES, np.int32), pa.array(NAMES))


def timeline_of(scores: dict[int, Sequence[float]], step_seconds: float = 1.0) -> Timeline:
    """A timeline from the scores of all three classes by the number of their step; each may belong to an event."""
    numbers = np.array(sorted(scores), np.int64)
    every = np.array([scores[number] for number in numbers.tolist()], np.float32).reshape(-1, len(NAMES))
    places = np.argsort(-every, axis=1, kind="stable")[:, :2]
    return Timeline(
        step_seconds,
        numbers,
        places,
        np.take_along_axis(every, places, axis=1),
        np.repeat(numbers, len(NAMES)),
        np.tile(np.arange(len(NAMES)), len(numbers)),
        every.ravel(),
        every.sum(axis=0, dtype=np.float64),
    )


def timeline_labels(timelines: dict[str, Timeline], rules: EventRules | None = None) -> pa.Table:
    """The rows of a label shard with these timelines by id."""
    ids = pa.array(sorted(timelines), pa.string())
    table = label_table(
        ids,
        np.zeros((len(ids), 1), np.intp),
        np.full((len(ids), 1), 0.5, np.float32),
        classes=CLASSES,
        threshold=0.0,
        stamp=LabelStamp("m", "run", datetime(2026, 3, 1, tzinfo=UTC)),
        metadata={},
    )
    events = {name: find_events(one, rules or EventRules()) for name, one in timelines.items()}
    return with_timelines(table, timelines, events, CLASSES)


def sampled(
    places: Sequence[int],
    events: Sequence[tuple[float, float, int]] = (),
    *,
    id: str = "video",
    names: Sequence[str] = NAMES,
    cell_seconds: float = 1.0,
    score: float = 0.75,
    **changes: float,
) -> SampledTimeline:
    """A timeline whose cells have these classes, all with one score, and events from, to and of a class."""
    return SampledTimeline(
        id=id,
        seconds=changes.pop("seconds", len(places) * cell_seconds),
        cell_seconds=cell_seconds,
        classes=tuple(TimelineClass(index=10 + place, name=name) for place, name in enumerate(names)),
        places=tuple(places),
        scores=tuple(0.0 if place == NOTHING else score for place in places),
        events=tuple(
            SampledEvent(start_seconds=start, end_seconds=end, place=place, score=0.9) for start, end, place in events
        ),
        more_events=int(changes.pop("more_events", 0)),
    )
