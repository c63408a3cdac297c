"""Timelines: a classifier's scores over the time of a video, and the events that follow from them.

A video is looked at in steps on a regular grid: step k stands for the time from k to k + 1 times `step_seconds` after
the first frame. Where a video is damaged, steps are missing. A row of a label shard has its timeline beside its labels:

    timeline  the best classes of each step, in the order of time, those of a step from the highest score on
    events    intervals in which a class stays above a threshold (`EventRules`), in the order of their starts

n steps, K classes, k best classes of each step, m strong scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.labels import LABEL_SCHEMA, LabelClasses

STEP = pa.struct(
    [
        pa.field("seconds", pa.float32(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
EVENT = pa.struct(
    [
        pa.field("start", pa.float32(), nullable=False),
        pa.field("end", pa.float32(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
TIMELINE_LABEL_SCHEMA = pa.schema(
    [
        *LABEL_SCHEMA,
        pa.field("timeline", pa.list_(STEP), nullable=False),
        pa.field("events", pa.list_(EVENT), nullable=False),
    ]
)
EVENTS_SCHEMA = pa.schema([TIMELINE_LABEL_SCHEMA.field(name) for name in ("id", "events")])


@dataclass(frozen=True, kw_only=True)
class EventRules:
    """How events follow from scores.

    threshold      an event of a class begins at a step whose score is at least this
    end_threshold  it lasts as long as the score is at least this
    min_seconds    shorter events are left out, after gaps are bridged
    gap_seconds    events of a class that are no further apart become one
    """

    threshold: float = 0.5
    end_threshold: float = 0.4
    min_seconds: float = 0.0
    gap_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rules that contradict one another, all at once."""
        problems = []
        if not 0 < self.end_threshold <= self.threshold <= 1:
            problems.append(
                f"events begin at {self.threshold:g} and end below {self.end_threshold:g}; "
                "both must be above 0 and at most 1, and the end no higher than the beginning"
            )
        for name in ("min_seconds", "gap_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                problems.append(f"{name} is {getattr(self, name)}, it must be 0 or more")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True)
class Timeline:
    """Steps of a video, or of a segment of it.

    step_seconds     time that a step stands for
    numbers          (n,) int64, ascending: step k begins k times `step_seconds` after the first frame
    places           (n, k) positions of the best classes, the highest score first
    scores           (n, k) float32, their probabilities
    strong_steps     (m,) int64, ascending: the numbers of steps with a score that may belong to an event, each as
                     often as it has such scores
    strong_places    (m,) the classes of these scores
    strong_scores    (m,) float32, these scores
    probability_sum  (K,) float64, over the n steps
    """

    step_seconds: float
    numbers: NDArray[np.int64]
    places: NDArray[np.intp]
    scores: NDArray[np.float32]
    strong_steps: NDArray[np.int64]
    strong_places: NDArray[np.intp]
    strong_scores: NDArray[np.float32]
    probability_sum: NDArray[np.float64]

    def copied(self) -> Timeline:
        """The same in memory of its own: arrays from another process are views of all that came with them."""
        return replace(self, **{name: value.copy() for name, value in vars(self).items() if name != "step_seconds"})

    def check(self, num_classes: int) -> None:
        """Raise `ValueError` for what no model of so many classes gives, whatever process says so."""
        steps, strong = self.scores.shape, self.strong_scores.shape
        shapes = {
            "numbers": (steps[:1], "i"),
            "places": (steps, "i"),
            "scores": (steps[:2], "f"),
            "strong_steps": (strong, "i"),
            "strong_places": (strong, "i"),
            "strong_scores": (strong[:1], "f"),
            "probability_sum": ((num_classes,), "f"),
        }
        for name, expected in shapes.items():
            array: NDArray[np.generic] = getattr(self, name)
            if (array.shape, array.dtype.kind) != expected:
                raise ValueError(f"the {name} of a timeline are {array.dtype} {array.shape}")
        places = np.append(self.places.ravel(), self.strong_places)
        scores = np.append(self.scores.ravel(), self.strong_scores)
        if not ((places >= 0) & (places < num_classes)).all() or not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError(f"a timeline names a class that is none of {num_classes}, or a score that is none")
        if not (np.diff(self.numbers) > 0).all() or not (np.diff(self.strong_steps) >= 0).all():
            raise ValueError("the steps of a timeline are out of order")


@dataclass(frozen=True)
class Event:
    """A class that stays above a threshold from `start_seconds` to `end_seconds` (exclusive), after the first frame.

    place  of the class; `score` is the mean of its scores in that time
    """

    start_seconds: float
    end_seconds: float
    place: int
    score: float


@dataclass(frozen=True)
class NamedEvent:
    """An event as a label shard has it, with the name of its class."""

    start_seconds: float
    end_seconds: float
    name: str
    score: float


@dataclass(frozen=True)
class VideoEvents:
    """The events of a video, in the order of their starts."""

    id: str
    events: tuple[NamedEvent, ...]


def joined_timeline(parts: Sequence[Timeline]) -> Timeline:
    """The timeline of a video whose segments, in order, have these; at least one."""
    return Timeline(
        parts[0].step_seconds,
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.strong_steps for part in parts]),
        np.concatenate([part.strong_places for part in parts]),
        np.concatenate([part.strong_scores for part in parts]),
        np.sum([part.probability_sum for part in parts], axis=0),
    )


def with_timelines(
    labels: pa.Table, timelines: Mapping[str, Timeline], events: Mapping[str, Sequence[Event]], classes: LabelClasses
) -> pa.Table:
    """A label table (`schemas.labels.label_table`) with the timelines and events of its videos, by id, beside them."""
    ids = labels["id"].to_pylist()
    found = [timelines[name] for name in ids]
    places = _joined([one.places.ravel() for one in found], np.intp)
    steps = pa.StructArray.from_arrays(
        [
            _joined([np.repeat(one.numbers * one.step_seconds, one.places.shape[1]) for one in found], np.float32),
            classes.indices[places],
            _joined([one.scores.ravel() for one in found], np.float32),
        ],
        fields=list(STEP),
    )
    flat = [event for name in ids for event in events[name]]
    event_places = np.array([event.place for event in flat], np.intp)
    intervals = pa.StructArray.from_arrays(
        [
            np.array([event.start_seconds for event in flat], np.float32),
            np.array([event.end_seconds for event in flat], np.float32),
            classes.indices[event_places],
            classes.names.take(pa.array(event_places)),
            np.array([event.score for event in flat], np.float32),
        ],
        fields=list(EVENT),
    )
    columns = [
        *labels.columns,
        _lists([one.places.size for one in found], steps, "timeline"),
        _lists([len(events[name]) for name in ids], intervals, "events"),
    ]
    return pa.Table.from_arrays(columns, schema=TIMELINE_LABEL_SCHEMA.with_metadata(labels.schema.metadata))


def video_events(table: pa.Table) -> Iterator[VideoEvents]:
    """The rows of a table that has the columns of `EVENTS_SCHEMA`, among others or not, in its order."""
    for batch in table.select(EVENTS_SCHEMA.names).to_batches():
        events = batch.column("events")
        fields = [events.flatten().field(name).to_pylist() for name in ("start", "end", "name", "score")]
        flat = [NamedEvent(*values) for values in zip(*fields, strict=True)]
        offsets = (events.offsets.to_numpy() - events.offsets[0].as_py()).tolist()
        for name, (start, end) in zip(batch.column("id").to_pylist(), pairwise(offsets), strict=True):
            yield VideoEvents(name, tuple(flat[start:end]))


def _lists(lengths: Sequence[int], items: pa.StructArray, column: str) -> pa.ListArray:
    offsets = np.cumsum([0, *lengths]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=TIMELINE_LABEL_SCHEMA.field(column).type)


def _joined(parts: Sequence[NDArray[np.generic]], kind: type[np.generic]) -> NDArray[Any]:
    """Arrays one after the other; of none, an empty one."""
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)
