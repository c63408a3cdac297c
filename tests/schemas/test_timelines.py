"""Timelines and events as columns of a label shard."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from schemas.labels import LabelClasses, LabelStamp, label_table
from schemas.timelines import (
    EVENTS_SCHEMA,
    TIMELINE_LABEL_SCHEMA,
    Event,
    EventRules,
    NamedEvent,
    Timeline,
    VideoEvents,
    joined_timeline,
    video_events,
    with_timelines,
)

CLASSES = LabelClasses(np.array([10, 11, 12], np.int32), pa.array(["zero", "one", "two"]))


def timeline(numbers: list[int], places: list[list[int]], scores: list[list[float]], k: int = 2) -> Timeline:
    """Steps of half a second, the `k` best classes of each; every score may belong to an event."""
    strong = np.array(scores, np.float32).reshape(-1, k)
    return Timeline(
        0.5,
        np.array(numbers, np.int64),
        np.array(places, np.intp).reshape(-1, k),
        strong,
        np.repeat(np.array(numbers, np.int64), k),
        np.array(places, np.intp).ravel(),
        strong.ravel(),
        np.bincount(np.array(places, np.intp).ravel(), strong.ravel(), minlength=3).astype(np.float64),
    )


def labels(*ids: str) -> pa.Table:
    return label_table(
        pa.array(ids, pa.string()),
        np.zeros((len(ids), 1), np.intp),
        np.full((len(ids), 1), 0.5, np.float32),
        classes=CLASSES,
        threshold=0.0,
        stamp=LabelStamp("m", "run", datetime(2026, 3, 1, tzinfo=UTC)),
        metadata={"key": "value"},
    )


def test_timelines_and_events_stand_beside_the_labels_of_their_video() -> None:
    timelines = {
        "b": timeline([0, 2], [[2, 0], [1, 2]], [[0.75, 0.25], [0.5, 0.125]]),
        "a": timeline([4], [[1, 0]], [[1.0, 0.0]]),
        "c": timeline([], [], []),
    }
    events = {"b": [Event(0.0, 0.5, 2, 0.75)], "a": [Event(2.0, 2.5, 1, 1.0)], "c": []}
    table = with_timelines(labels("b", "a", "c"), timelines, events, CLASSES)
    table.validate(full=True)
    assert table.schema == TIMELINE_LABEL_SCHEMA
    assert table.schema.metadata == {b"key": b"value"}
    assert table["id"].to_pylist() == ["a", "b", "c"]
    a, b, c = table["timeline"].to_pylist()
    assert a == [{"seconds": 2.0, "index": 11, "score": 1.0}, {"seconds": 2.0, "index": 10, "score": 0.0}]
    assert [(step["seconds"], step["index"], step["score"]) for step in b] == [
        *[(0.0, 12, 0.75), (0.0, 10, 0.25)],
        *[(1.0, 11, 0.5), (1.0, 12, 0.125)],
    ]
    assert c == []
    assert table["events"].to_pylist() == [
        [{"start": 2.0, "end": 2.5, "index": 11, "name": "one", "score": 1.0}],
        [{"start": 0.0, "end": 0.5, "index": 12, "name": "two", "score": 0.75}],
        [],
    ]


def test_a_table_without_videos_has_the_columns() -> None:
    table = with_timelines(labels(), {}, {}, CLASSES)
    assert (table.schema, len(table)) == (TIMELINE_LABEL_SCHEMA, 0)


def test_events_of_a_table_come_back_by_video() -> None:
    timelines = dict.fromkeys(("a", "b", "c"), timeline([], [], []))
    events = {"a": [Event(0.0, 0.5, 2, 0.75), Event(1.0, 1.5, 0, 0.5)], "b": [], "c": [Event(2.0, 2.5, 1, 1.0)]}
    expected = [
        VideoEvents("a", (NamedEvent(0.0, 0.5, "two", 0.75), NamedEvent(1.0, 1.5, "zero", 0.5))),
        VideoEvents("b", ()),
        VideoEvents("c", (NamedEvent(2.0, 2.5, "one", 1.0),)),
    ]
    table = with_timelines(labels("a", "b", "c"), timelines, events, CLASSES)
    assert list(video_events(table)) == expected
    assert list(video_events(table.select(EVENTS_SCHEMA.names).slice(1))) == expected[1:]
    assert list(video_events(pa.concat_tables([table, table.slice(0, 0), table]))) == expected * 2
    assert list(video_events(EVENTS_SCHEMA.empty_table())) == []


def test_segments_are_joined_in_order() -> None:
    parts = [timeline([0, 1], [[0], [1]], [[0.5], [0.25]], k=1), timeline([3], [[1]], [[1.0]], k=1)]
    joined = joined_timeline(parts)
    assert joined.numbers.tolist() == [0, 1, 3]
    assert joined.places.tolist() == [[0], [1], [1]]
    assert joined.strong_steps.tolist() == [0, 1, 3]
    assert joined.probability_sum.tolist() == [0.5, 1.25, 0.0]


def test_rules_that_contradict_one_another_are_refused_all_at_once() -> None:
    with pytest.raises(ValueError, match=r"begin at 0.5 and end below 0.6.*gap_seconds is -1.0, it must be 0 or more"):
        EventRules(threshold=0.5, end_threshold=0.6, gap_seconds=-1.0)
