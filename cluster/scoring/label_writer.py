"""Scores of n videos → the files of a label shard and of its ledger, and their counts for the record.

The same for scored features and scored videos. Everything is vectorised over rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from classifiers.inference.timelines import mean_labels
from classifiers.weights.checkpoint import CheckpointConfig
from cluster.storage.parquet import encode_table
from cluster.timelines.events import find_events
from cluster.timelines.sensitive import sensitive_label
from schemas.failures import FailureRow
from schemas.labels import LABEL_LEDGER_SCHEMA, LabelClasses, LabelStamp, label_table
from schemas.scorings import SCORE_BINS
from schemas.timelines import Event, EventRules, Timeline, with_timelines
from schemas.videos import Video, content_of

DISTINCT_COLUMNS = ("id", "labels.list.element.score", "timeline.list.element.score", "events.list.element.score")
# Scores of timelines that a portion may hold, some 20 bytes each; at one step a second, top 5: 9 days of video.
MAX_TIMELINE_SCORES = 1 << 22


@dataclass(frozen=True)
class Unread:
    """A feature file that could not be read, and how many of its videos have no labels for that reason."""

    uri: str
    videos: int
    message: str


@dataclass(frozen=True)
class ScoredPortion:
    """The label shard `number` and its ledger as files; None where no video has labels.

    first_labels  (K,) videos by their most confident class
    first_scores  (SCORE_BINS,) videos by the score of that class
    unlabelled    videos of which no class reached the threshold; neither of the two counts them
    failures      videos that could not be scored
    steps         of all timelines
    events        of all timelines
    """

    number: int
    shard: bytes | None
    ledger: bytes | None
    videos: int
    unread: tuple[Unread, ...]
    first_labels: NDArray[np.int64]
    first_scores: NDArray[np.int64]
    unlabelled: int
    failures: tuple[FailureRow, ...] = ()
    steps: int = 0
    events: int = 0


@dataclass(frozen=True, kw_only=True)
class LabelWriter:
    """Encodes portions.

    config        has the classes
    metadata      goes into label shards and ledgers
    rules         of the events of timelines, in a run that has any
    is_sensitive  whether a video is labelled by its events (`cluster.timelines.sensitive`)
    """

    config: CheckpointConfig
    threshold: float
    stamp: LabelStamp
    metadata: Mapping[str, str]
    rules: EventRules | None = None
    is_sensitive: bool = False

    def labels_of(self, timeline: Timeline, top_k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The top classes of a video with a timeline, and their scores, (k,) each."""
        if self.is_sensitive and self.rules is not None:
            return sensitive_label(timeline, self.rules)
        return mean_labels(timeline, top_k)

    def portion(
        self,
        number: int,
        ids: pa.StringArray,
        contents: pa.StringArray,
        places: NDArray[np.intp],
        scores: NDArray[np.float32],
        *,
        timelines: Sequence[Timeline] = (),
        unread: tuple[Unread, ...] = (),
        failures: tuple[FailureRow, ...] = (),
    ) -> ScoredPortion:
        """Encode the top classes of n videos and their scores, (n, k) each, the most confident first; k ≥ 1.

        `timelines` are those of the n videos, in a run that has any.
        """
        by_id: dict[str, Timeline] = {}
        events: dict[str, list[Event]] = {}
        if self.rules is not None:
            by_id = dict(zip(ids.to_pylist(), timelines, strict=True))
            events = {name: find_events(timeline, self.rules) for name, timeline in by_id.items()}
        is_labelled = scores[:, 0] >= self.threshold
        bins = np.minimum((scores[is_labelled, 0] * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
        return ScoredPortion(
            number,
            self._shard(ids, places, scores, by_id, events) if len(ids) else None,
            self._ledger(ids, contents) if len(ids) else None,
            len(ids),
            unread,
            np.bincount(places[is_labelled, 0], minlength=self.config.num_classes),
            np.bincount(bins, minlength=SCORE_BINS),
            int(np.count_nonzero(~is_labelled)),
            failures,
            steps=sum(len(timeline.numbers) for timeline in by_id.values()),
            events=sum(map(len, events.values())),
        )

    def _shard(
        self,
        ids: pa.StringArray,
        places: NDArray[np.intp],
        scores: NDArray[np.float32],
        timelines: Mapping[str, Timeline],
        events: Mapping[str, Sequence[Event]],
    ) -> bytes:
        config = self.config
        classes = LabelClasses(np.array(config.class_indices, np.int32), pa.array(config.class_names, pa.string()))
        table = label_table(
            ids,
            places,
            scores,
            classes=classes,
            threshold=self.threshold,
            stamp=self.stamp,
            metadata=self.metadata,
        )
        if self.rules is not None:
            table = with_timelines(table, timelines, events, classes)
        return encode_table(table, DISTINCT_COLUMNS)

    def _ledger(self, ids: pa.StringArray, contents: pa.StringArray) -> bytes:
        columns: list[Any] = [ids, contents]
        table = pa.Table.from_arrays(columns, schema=LABEL_LEDGER_SCHEMA.with_metadata(dict(self.metadata)))
        return encode_table(table.sort_by("id"), DISTINCT_COLUMNS)


@dataclass(frozen=True)
class VideoLabels:
    """Labels of a video: its top classes and their probabilities, (k,) each; and its timeline, where it has one."""

    video: Video
    places: NDArray[np.intp]
    scores: NDArray[np.float32]
    timeline: Timeline | None = None


@dataclass
class ClipLabels:
    """Collects videos and failures until there are enough for a shard of about `rows_per_shard`."""

    writer: LabelWriter
    rows_per_shard: int
    _number: int = 0
    _done: list[VideoLabels] = field(default_factory=list)
    _timeline_scores: int = 0
    _failures: list[FailureRow] = field(default_factory=list)

    def add(self, labels: VideoLabels) -> None:
        """Add the labels of a video."""
        self._done.append(labels)
        if labels.timeline is not None:
            self._timeline_scores += labels.timeline.scores.size + labels.timeline.strong_scores.size

    def add_failure(self, row: FailureRow) -> None:
        """Add the failure of a video."""
        self._failures.append(row)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added since the last portion."""
        return not self._done and not self._failures

    @property
    def is_full(self) -> bool:
        """Whether there are enough videos, long enough timelines, or enough failures, for a portion."""
        rows = max(len(self._done), len(self._failures))
        return rows >= self.rows_per_shard or self._timeline_scores >= MAX_TIMELINE_SCORES

    def portion(self) -> ScoredPortion:
        """Everything since `clear`; called again before the next `clear`, the same portion with more in it."""
        k = len(self._done[0].places) if self._done else 1
        return self.writer.portion(
            self._number,
            pa.array([labels.video.id for labels in self._done], pa.string()),
            pa.array([content_of(labels.video) for labels in self._done], pa.string()),
            np.array([labels.places for labels in self._done], np.intp).reshape(-1, k),
            np.array([labels.scores for labels in self._done], np.float32).reshape(-1, k),
            timelines=[labels.timeline for labels in self._done if labels.timeline is not None],
            failures=tuple(self._failures),
        )

    def clear(self) -> None:
        """Begin the next portion: the current one is committed."""
        self._number, self._done, self._timeline_scores, self._failures = self._number + 1, [], 0, []
