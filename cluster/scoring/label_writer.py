"""Scores of n videos → the files of a label shard and of its ledger, and what is counted of them.

Nothing here is done row by row, and nothing depends on what was scored: features, or videos themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from classifiers.weights.checkpoint import CheckpointConfig
from cluster.scoring.clip_scorer import ClipScores
from cluster.storage.parquet import encode_table
from schemas.failures import FailureRow
from schemas.labels import LABEL_LEDGER_SCHEMA, LabelClasses, LabelStamp, label_table
from schemas.scorings import SCORE_BINS
from schemas.videos import Video, content_of

UNLIKE_COLUMNS = ("id", "labels.list.element.score")


@dataclass(frozen=True)
class Unread:
    """A file of features that could not be read, and how many of its videos have no labels for that."""

    uri: str
    videos: int
    message: str


@dataclass(frozen=True)
class ScoredPortion:
    """The label shard `number` and its ledger as files; None where no video has labels.

    first_labels  (K,) how many videos have each class as their surest
    first_scores  (SCORE_BINS,) how sure the model was of it
    unlabelled    videos of which no class reached the threshold; they count in neither of the two
    failures      videos that could not be looked at
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


@dataclass(frozen=True, kw_only=True)
class LabelWriter:
    """Makes portions. `metadata` is what label shards and ledgers carry; `config` says which classes there are."""

    config: CheckpointConfig
    threshold: float
    stamp: LabelStamp
    metadata: Mapping[str, str]

    def portion(
        self,
        number: int,
        ids: pa.StringArray,
        contents: pa.StringArray,
        places: NDArray[np.intp],
        scores: NDArray[np.float32],
        *,
        unread: tuple[Unread, ...] = (),
        failures: tuple[FailureRow, ...] = (),
    ) -> ScoredPortion:
        """Of the best classes of videos (n, k), the surest first, and their scores, k at least 1."""
        is_labelled = scores[:, 0] >= self.threshold
        bins = np.minimum((scores[is_labelled, 0] * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
        return ScoredPortion(
            number,
            self._shard(ids, places, scores) if len(ids) else None,
            self._ledger(ids, contents) if len(ids) else None,
            len(ids),
            unread,
            np.bincount(places[is_labelled, 0], minlength=self.config.num_classes),
            np.bincount(bins, minlength=SCORE_BINS),
            int(np.count_nonzero(~is_labelled)),
            failures,
        )

    def _shard(self, ids: pa.StringArray, places: NDArray[np.intp], scores: NDArray[np.float32]) -> bytes:
        config = self.config
        table = label_table(
            ids,
            places,
            scores,
            classes=LabelClasses(np.array(config.class_indices, np.int32), pa.array(config.class_names, pa.string())),
            threshold=self.threshold,
            stamp=self.stamp,
            metadata=self.metadata,
        )
        return encode_table(table, UNLIKE_COLUMNS)

    def _ledger(self, ids: pa.StringArray, contents: pa.StringArray) -> bytes:
        columns: list[Any] = [ids, contents]
        table = pa.Table.from_arrays(columns, schema=LABEL_LEDGER_SCHEMA.with_metadata(dict(self.metadata)))
        return encode_table(table.sort_by("id"), UNLIKE_COLUMNS)


@dataclass
class ClipLabels:
    """Collects videos and failures until there are enough for a shard of about `rows_per_shard`."""

    writer: LabelWriter
    rows_per_shard: int
    _number: int = 0
    _done: list[tuple[Video, ClipScores]] = field(default_factory=list)
    _failures: list[FailureRow] = field(default_factory=list)

    def add(self, video: Video, scores: ClipScores) -> None:
        """Take a video."""
        self._done.append((video, scores))

    def add_failure(self, row: FailureRow) -> None:
        """Take one that failed."""
        self._failures.append(row)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to hand out."""
        return not self._done and not self._failures

    @property
    def is_full(self) -> bool:
        """Whether there is enough of one of the two."""
        return max(len(self._done), len(self._failures)) >= self.rows_per_shard

    def portion(self) -> ScoredPortion:
        """What has been collected. Until it is cleared, the next is the same with more in it, under its number."""
        k = len(self._done[0][1].places) if self._done else 1
        return self.writer.portion(
            self._number,
            pa.array([video.id for video, _ in self._done], pa.string()),
            pa.array([content_of(video) for video, _ in self._done], pa.string()),
            np.array([scores.places for _, scores in self._done], np.intp).reshape(-1, k),
            np.array([scores.scores for _, scores in self._done], np.float32).reshape(-1, k),
            failures=tuple(self._failures),
        )

    def clear(self) -> None:
        """Begin the next portion: this one is where it should be."""
        self._number, self._done, self._failures = self._number + 1, [], []
