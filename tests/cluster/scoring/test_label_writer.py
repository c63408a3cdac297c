"""Label shards and ledgers from scores, and the statistics of them."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.scoring import label_writer
from cluster.scoring.label_writer import ClipLabels, LabelWriter, Unread, VideoLabels
from schemas.failures import FailureRow
from schemas.labels import LabelStamp
from schemas.outcomes import FailureCode
from schemas.scorings import SCORE_BINS
from schemas.timelines import TIMELINE_LABEL_SCHEMA, EventRules, Timeline
from schemas.videos import Video
from tests.support.checkpoints import trained

STAMP = LabelStamp("model", "run", datetime(2026, 3, 1, tzinfo=UTC))
METADATA = {"key": "value"}
FAILURE = FailureRow(
    id="x", uri="x.mp4", stage="decode", code=FailureCode.EMPTY, message="empty", attempts=1, run_id="run", content=""
)


def writer(threshold: float = 0.0, rules: EventRules | None = None) -> LabelWriter:
    config = trained(classes=3).config
    return LabelWriter(config=config, threshold=threshold, stamp=STAMP, metadata=METADATA, rules=rules)


def table(content: bytes | None) -> pa.Table:
    assert content is not None
    return pq.read_table(io.BytesIO(content))


def text(*words: str) -> pa.StringArray:
    return pa.array(words, pa.string())


def video_labels(name: str, *scores: float, timeline: Timeline | None = None) -> VideoLabels:
    return VideoLabels(Video(name, f"{name}.mp4"), np.arange(len(scores)), np.array(scores, np.float32), timeline)


def timeline_of(place: int, *scores: float) -> Timeline:
    """A class at consecutive seconds."""
    steps, places, strong = np.arange(len(scores)), np.full(len(scores), place), np.array(scores, np.float32)
    return Timeline(1.0, steps, places[:, None], strong[:, None], steps, places, strong, np.zeros(3))


def test_a_shard_and_its_ledger_hold_the_videos_by_id() -> None:
    places, scores = np.array([[2, 0], [1, 2]]), np.array([[0.5, 0.25], [0.75, 0.125]], np.float32)
    portion = writer().portion(4, text("b", "a"), text("etag:b", "etag:a"), places, scores)
    shard, ledger = table(portion.shard), table(portion.ledger)
    assert (portion.number, portion.videos, portion.unlabelled) == (4, 2, 0)
    assert shard.column("id").to_pylist() == ["a", "b"]
    assert shard.column("labels").to_pylist()[1] == [
        {"index": 12, "name": "Class 2", "score": 0.5},
        {"index": 10, "name": "Class 0", "score": 0.25},
    ]
    assert set(shard.column("model").to_pylist()) == {"model"}
    assert ledger.to_pydict() == {"id": ["a", "b"], "content": ["etag:a", "etag:b"]}
    assert all(one.schema.metadata[b"key"] == b"value" for one in (shard, ledger))


def test_the_first_labels_are_counted_by_class_and_score_and_those_below_the_threshold_apart() -> None:
    places = np.array([[0], [2], [2], [1]])
    scores = np.array([[1.0], [0.5], [0.3], [0.1]], np.float32)
    portion = writer(threshold=0.2).portion(0, text(*"abcd"), text(*"1234"), places, scores)
    assert portion.first_labels.tolist() == [1, 0, 2]
    assert portion.unlabelled == 1
    assert portion.first_scores.sum() == 3
    assert portion.first_scores[-1] == 1  # a probability of 1 is in the last bin
    assert portion.first_scores[SCORE_BINS // 2] == 1
    assert [len(labels) for labels in table(portion.shard).column("labels").to_pylist()] == [1, 1, 1, 0]


def test_without_videos_there_are_no_files() -> None:
    unread = Unread("f.parquet", 3, "damaged")
    no_places, no_scores = np.zeros((0, 1), np.intp), np.zeros((0, 1), np.float32)
    portion = writer().portion(1, text(), text(), no_places, no_scores, unread=(unread,), failures=(FAILURE,))
    assert (portion.shard, portion.ledger, portion.videos) == (None, None, 0)
    assert (portion.unread, portion.failures) == ((unread,), (FAILURE,))


def test_clips_are_collected_until_there_are_enough_of_either_kind() -> None:
    labels = ClipLabels(writer(), rows_per_shard=2)
    assert labels.is_empty
    labels.add(video_labels("v1", 0.75, 0.25))
    labels.add_failure(FAILURE)
    assert not labels.is_empty
    assert not labels.is_full
    labels.add(video_labels("v0", 0.5, 0.25))
    assert labels.is_full
    portion = labels.portion()
    assert table(portion.shard).column("id").to_pylist() == ["v0", "v1"]
    assert portion.failures == (FAILURE,)


def test_a_portion_keeps_its_number_until_it_is_cleared() -> None:
    labels = ClipLabels(writer(), rows_per_shard=2)
    labels.add_failure(FAILURE)
    assert [labels.portion().number, labels.portion().number] == [0, 0]
    labels.clear()
    assert labels.is_empty
    labels.add(video_labels("v", 0.5))
    assert (labels.portion().number, labels.portion().videos, labels.portion().failures) == (1, 1, ())


def test_timelines_and_their_events_are_in_the_shard() -> None:
    labels = ClipLabels(writer(rules=EventRules()), rows_per_shard=2)
    labels.add(video_labels("v1", 0.75, timeline=timeline_of(2, 0.25, 0.5, 0.75)))
    labels.add(video_labels("v0", 0.5, timeline=timeline_of(1, 0.125)))
    shard = table(labels.portion().shard)
    assert shard.schema.remove_metadata() == TIMELINE_LABEL_SCHEMA
    assert [len(steps) for steps in shard["timeline"].to_pylist()] == [1, 3]
    assert shard["events"].to_pylist() == [
        [],
        [{"start": 1.0, "end": 3.0, "index": 12, "name": "Class 2", "score": 0.625}],
    ]


def test_a_portion_is_full_of_few_long_timelines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_writer, "MAX_TIMELINE_SCORES", 8)
    labels = ClipLabels(writer(rules=EventRules()), rows_per_shard=1000)
    labels.add(video_labels("v0", 0.5, timeline=timeline_of(1, 0.5, 0.5, 0.5)))
    assert not labels.is_full
    labels.add(video_labels("v1", 0.5, timeline=timeline_of(1, 0.5)))
    assert labels.is_full
    labels.clear()
    assert not labels.is_full
