"""Label shards and ledgers from scores, and the statistics of them."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.scoring.clip_scorer import ClipScores
from cluster.scoring.label_writer import ClipLabels, LabelWriter, Unread
from schemas.failures import FailureRow
from schemas.labels import LabelStamp
from schemas.outcomes import FailureCode
from schemas.scorings import SCORE_BINS
from schemas.videos import Video
from tests.support.checkpoints import trained

STAMP = LabelStamp("model", "run", datetime(2026, 3, 1, tzinfo=UTC))
METADATA = {"key": "value"}
FAILURE = FailureRow(
    id="x", uri="x.mp4", stage="decode", code=FailureCode.EMPTY, message="empty", attempts=1, run_id="run", content=""
)


def writer(threshold: float = 0.0) -> LabelWriter:
    return LabelWriter(config=trained(classes=3).config, threshold=threshold, stamp=STAMP, metadata=METADATA)


def table(content: bytes | None) -> pa.Table:
    assert content is not None
    return pq.read_table(io.BytesIO(content))


def text(*words: str) -> pa.StringArray:
    return pa.array(words, pa.string())


def clip_scores(*scores: float) -> ClipScores:
    return ClipScores(np.arange(len(scores)), np.array(scores, np.float32), None, 8, 2.0, {})


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
    labels.add(Video("v1", "v1.mp4"), clip_scores(0.75, 0.25))
    labels.add_failure(FAILURE)
    assert not labels.is_empty
    assert not labels.is_full
    labels.add(Video("v0", "v0.mp4"), clip_scores(0.5, 0.25))
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
    labels.add(Video("v", "v.mp4"), clip_scores(0.5))
    assert (labels.portion().number, labels.portion().videos, labels.portion().failures) == (1, 1, ())
