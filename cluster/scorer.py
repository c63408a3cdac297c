"""The scorer: a portion of the features in, a label shard out. It knows no engine.

In: `Portion`, rows of one or several feature files. Out: `ScoredPortion`, the bytes of a label shard and of its ledger,
made where the features were read, so that little goes back. Nothing here is done row by row.

A batch never holds rows of two files. What a video gets depends neither on the engine nor on the files beside its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from classifiers.trained_classifier import TrainedClassifier
from cluster.feature_blocks import read_blocks
from cluster.feature_files import FeatureFile, FeatureFileError
from cluster.feature_window import window_of
from cluster.storage import StorageError
from cluster.tables import encode_table
from schemas.labels import LABEL_LEDGER_SCHEMA, LabelClasses, LabelStamp, label_table
from schemas.scorings import SCORE_BINS

UNLIKE_COLUMNS = ("id", "labels.list.element.score")


@dataclass(frozen=True)
class Piece:
    """Rows of one file: their numbers in it, rising; their ids; and what their features were made from."""

    file: FeatureFile
    rows: NDArray[np.int64]
    ids: pa.StringArray
    contents: pa.StringArray


@dataclass(frozen=True)
class Portion:
    """What becomes one label shard."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def videos(self) -> int:
        """How many there are."""
        return sum(len(piece.rows) for piece in self.pieces)


@dataclass(frozen=True)
class Unread:
    """A file of a portion that could not be read, and how many of its videos have no labels for that."""

    uri: str
    videos: int
    message: str


@dataclass(frozen=True)
class ScoredPortion:
    """The label shard `number` and its ledger as files; None where no file of the portion could be read.

    first_labels  (K,) how many videos have each class as their surest
    first_scores  (SCORE_BINS,) how sure the model was of it
    unlabelled    videos of which no class reached the threshold; they count in neither of the two
    """

    number: int
    shard: bytes | None
    ledger: bytes | None
    videos: int
    unread: tuple[Unread, ...]
    first_labels: NDArray[np.int64]
    first_scores: NDArray[np.int64]
    unlabelled: int


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Labels portions. `metadata` is what label shards and ledgers carry."""

    classifier: TrainedClassifier
    top_k: int
    threshold: float
    max_frames: int | None
    stamp: LabelStamp
    metadata: Mapping[str, str]

    def setup(self) -> None:
        """Take the GPU, where this process has one, or one CPU core: engines have several workers at a time."""
        torch.set_num_threads(1)
        if torch.cuda.is_available():
            self.classifier.to(torch.device("cuda"))

    def __call__(self, portion: Portion) -> ScoredPortion:
        """Score a portion; files that cannot be read are left out of the shard."""
        done: list[tuple[Piece, NDArray[np.intp], NDArray[np.float32]]] = []
        unread: list[Unread] = []
        for piece in portion.pieces:
            try:
                done.append((piece, *self._score(piece)))
            except (FeatureFileError, StorageError, OSError) as error:
                unread.append(Unread(piece.file.uri, len(piece.rows), str(error)))
        config = self.classifier.config
        places = np.concatenate([np.zeros((0, 1), np.intp)] if not done else [found for _, found, _ in done])
        scores = np.concatenate([np.zeros((0, 1), np.float32)] if not done else [found for _, _, found in done])
        is_labelled = scores[:, 0] >= self.threshold
        bins = np.minimum((scores[is_labelled, 0] * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
        return ScoredPortion(
            portion.number,
            self._shard([piece for piece, _, _ in done], places, scores) if done else None,
            self._ledger([piece for piece, _, _ in done]) if done else None,
            len(places),
            tuple(unread),
            np.bincount(places[is_labelled, 0], minlength=config.num_classes),
            np.bincount(bins, minlength=SCORE_BINS),
            int(np.count_nonzero(~is_labelled)),
        )

    def _score(self, piece: Piece) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Places of the best classes of a piece's rows and their scores, (n, k) each."""
        groups = np.unique(np.searchsorted(np.cumsum(piece.file.row_groups), piece.rows, "right"))
        labelled = []
        # A block as it is read makes a good batch, and what is not put together anew costs nothing.
        for block in read_blocks(piece.file, self.classifier.level, groups.tolist()):
            first, last = np.searchsorted(piece.rows, (block.start, block.start + len(block)))
            if first < last:
                batch = window_of(block, 0).batch(piece.rows[first:last] - block.start, self.max_frames)
                labelled.append(self.classifier.label(batch, self.top_k))
        return np.concatenate([places for places, _ in labelled]), np.concatenate([scores for _, scores in labelled])

    def _shard(self, pieces: list[Piece], places: NDArray[np.intp], scores: NDArray[np.float32]) -> bytes:
        config = self.classifier.config
        table = label_table(
            pa.concat_arrays([piece.ids for piece in pieces]),
            places,
            scores,
            classes=LabelClasses(np.array(config.class_indices, np.int32), pa.array(config.class_names, pa.string())),
            threshold=self.threshold,
            stamp=self.stamp,
            metadata=self.metadata,
        )
        return encode_table(table, UNLIKE_COLUMNS)

    def _ledger(self, pieces: list[Piece]) -> bytes:
        columns: list[Any] = [
            pa.concat_arrays([piece.ids for piece in pieces]),
            pa.concat_arrays([piece.contents for piece in pieces]),
        ]
        table = pa.Table.from_arrays(columns, schema=LABEL_LEDGER_SCHEMA.with_metadata(dict(self.metadata)))
        return encode_table(table.sort_by("id"), UNLIKE_COLUMNS)
