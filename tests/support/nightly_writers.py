"""Runs that write to a dataset what a night brings, with the code of the jobs: a feature dataset, and a label dataset.

Of the videos, `a` gets another label, `b` has changed, `c` failed and is mended, `d` is new, and `e` fails again. Rows
say which run has made them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import RETRY_ALL, increment_of
from cluster.datasets.label_dataset import LabelDataset
from cluster.datasets.shard_sink import Sink
from cluster.storage.parquet import encode_table
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM, FeatureRow
from schemas.labels import LABEL_LEDGER_SCHEMA, LabelClasses, LabelStamp, label_table
from schemas.videos import Video, content_of

VIDEOS = [
    Video("a", "in/a.mp4", ("dog",), version="1"),
    Video("b", "in/b.mp4", version="2"),
    Video("c", "in/c.mp4", version="1"),
    Video("d", "in/d.mp4", version="1"),
    Video("e", "in/e.mp4", version="1"),
]
FAILING = {"e"}
BEFORE = [replace(video, version="1") for video in VIDEOS if video.id != "d"]
FAILED_BEFORE = {"c", "e"}
DATE, MIDNIGHT = "2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)
ROWS_PER_SHARD = 2
Prepared = Callable[[], None]
Report = Callable[[Sequence[str]], None]


class NightlyWriter(ABC):
    """Writes to one kind of dataset.

    shards  the folder of the rows, and `maker` the column that says which run has made a row
    """

    shards: str
    maker: str

    @abstractmethod
    def begin(self, root: str) -> None:
        """What run `r0` has written in the night before."""

    @abstractmethod
    def write(
        self, root: str, run_id: str, prepared: Callable[[], None], report: Callable[[Sequence[str]], None]
    ) -> None:
        """A run; says when it has taken over completely, and which rows are committed."""

    def is_right(self, rows: dict[str, dict[str, Any]]) -> bool:
        """Whether the rows, by id, are what they should be in the end."""
        return True


class FeatureWriter(NightlyWriter):
    """Extraction."""

    shards, maker = "features", "uri"

    def begin(self, root: str) -> None:
        failures = [failure(video, "r0") for video in BEFORE if video.id in FAILED_BEFORE]
        rows = [(feature_row(video, "r0"), content_of(video)) for video in BEFORE if video.id not in FAILED_BEFORE]
        feature_dataset(root, "r0").commit(0, rows, failures, ())

    def write(
        self, root: str, run_id: str, prepared: Callable[[], None], report: Callable[[Sequence[str]], None]
    ) -> None:
        dataset = feature_dataset(root, run_id)
        with dataset.lease():
            settled = dataset.prepare()
            prepared()
            increment = increment_of(VIDEOS, settled, RETRY_ALL)
            dataset.withdraw(increment.replaced)
            dataset.name_classes(VIDEOS)
            dataset.annotate(VIDEOS)
            sink = Sink(dataset, ROWS_PER_SHARD, settled.failed.keys())
            waiting: list[str] = []
            for video in increment.pending:
                if video.id in FAILING:
                    sink.add_failure(failure(video, run_id))
                    continue
                sink.add_row(feature_row(video, run_id), content_of(video))
                waiting.append(video.id)
                if len(waiting) == ROWS_PER_SHARD:
                    report(waiting)
                    waiting = []
            sink.commit()
            report(waiting)

    def is_right(self, rows: dict[str, dict[str, Any]]) -> bool:
        return bool(rows["a"]["labels"] == [0])


class LabelWriter(NightlyWriter):
    """Scoring of videos."""

    shards, maker = f"date={DATE}", "run_id"

    def begin(self, root: str) -> None:
        labels = label_dataset(root, "r0")
        failures = [failure(video, "r0") for video in BEFORE if video.id in FAILED_BEFORE]
        labels.commit(0, *label_files(labels, [video for video in BEFORE if video.id not in FAILED_BEFORE]), failures)

    def write(
        self, root: str, run_id: str, prepared: Callable[[], None], report: Callable[[Sequence[str]], None]
    ) -> None:
        labels = label_dataset(root, run_id)
        with labels.lease():
            labels.prepare()
            prepared()
            pending = increment_of(VIDEOS, labels.settled(anywhere=True), RETRY_ALL).pending
            labels.withdraw(pa.chunked_array([[video.id for video in pending]], pa.string()))
            scored = [video for video in pending if video.id not in FAILING]
            failures = [failure(video, run_id) for video in pending if video.id in FAILING]
            for number in range(0, max(len(scored), 1), ROWS_PER_SHARD):
                portion = scored[number : number + ROWS_PER_SHARD]
                labels.commit(number, *label_files(labels, portion), failures if number == 0 else ())
                report([video.id for video in portion])


def feature_dataset(root: str, run_id: str) -> FeatureDataset:
    """A small feature dataset."""
    return FeatureDataset(root, run_id=run_id, rgb_dim=8, frame_features=False, fingerprint={"fps": "1"})


def feature_row(video: Video, run_id: str) -> FeatureRow:
    """A row that says in `uri` which run has made it."""
    zeros = np.zeros(8, np.float32), np.zeros(AUDIO_DIM, np.float32)
    return FeatureRow(video.id, (), *zeros, False, 1, 1.0, run_id)


def label_dataset(root: str, run_id: str) -> LabelDataset:
    """A label dataset of one day."""
    return LabelDataset(root, date=DATE, run_id=run_id, label_fingerprint={"model": "m"})


def label_files(labels: LabelDataset, videos: Sequence[Video]) -> tuple[bytes | None, bytes | None]:
    """A shard and its ledger."""
    if not videos:
        return None, None
    ids, contents = (
        pa.array(values, pa.string()) for values in zip(*((v.id, content_of(v)) for v in videos), strict=True)
    )
    table = label_table(
        ids,
        np.zeros((len(videos), 1), np.intp),
        np.full((len(videos), 1), 0.5, np.float32),
        classes=LabelClasses(np.array([4], np.int32), pa.array(["four"])),
        threshold=0.0,
        stamp=LabelStamp("m", labels.run_id, MIDNIGHT),
        metadata=labels.metadata,
    )
    ledger = pa.Table.from_arrays([ids, contents], schema=LABEL_LEDGER_SCHEMA.with_metadata(labels.metadata))
    return encode_table(table), encode_table(ledger)


def failure(video: Video, run_id: str) -> FailureRow:
    """A failure of a video."""
    return FailureRow(video.id, video.uri, "read", "storage", "no", 1, run_id, content_of(video))
