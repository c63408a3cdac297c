"""The scorer: a portion of the features in, a label shard out. It knows no engine.

In: `Portion`, rows of one or several feature files. Out: `ScoredPortion`, the bytes of a label shard and of its ledger,
made where the features were read, so that little goes back. Nothing here is done row by row.

A batch never holds rows of two files. What a video gets depends neither on the engine nor on the files beside its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import Resources, Worker
from cluster.features.blocks import read_blocks
from cluster.features.files import FeatureFile, FeatureFileError
from cluster.features.window import window_of
from cluster.scoring.label_writer import LabelWriter, ScoredPortion, Unread
from cluster.storage.files import StorageError


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
    def key(self) -> str:
        """Names it within its run."""
        return str(self.number)

    @property
    def videos(self) -> int:
        """How many there are."""
        return sum(len(piece.rows) for piece in self.pieces)


@dataclass(frozen=True, kw_only=True)
class FeatureScorer(Worker[Portion, ScoredPortion]):
    """Labels portions, on a GPU where this process has one, or on one core; what takes long lets other threads run."""

    classifier: TrainedClassifier
    top_k: int
    max_frames: int | None
    writer: LabelWriter

    @property
    @override
    def outcome_type(self) -> type[ScoredPortion]:
        return ScoredPortion

    @property
    @override
    def resources(self) -> Resources:
        # The run holds the labels' lease: it must not wait for a busy cluster for ever.
        return Resources(gpus=1, shares_process=True, gives_up_if_busy=True)

    @override
    def setup(self) -> None:
        torch.set_num_threads(1)
        if torch.cuda.is_available():
            self.classifier.to(torch.device("cuda"))

    @override
    def __call__(self, task: Portion) -> ScoredPortion:
        done: list[tuple[Piece, NDArray[np.intp], NDArray[np.float32]]] = []
        unread: list[Unread] = []
        for piece in task.pieces:
            try:
                done.append((piece, *self._score(piece)))
            except (FeatureFileError, StorageError, OSError) as error:  # such a file is left out of the shard
                unread.append(Unread(piece.file.uri, len(piece.rows), str(error)))
        no_text = pa.array([], pa.string())
        return self.writer.portion(
            task.number,
            pa.concat_arrays([no_text, *(piece.ids for piece, _, _ in done)]),
            pa.concat_arrays([no_text, *(piece.contents for piece, _, _ in done)]),
            np.concatenate([places for _, places, _ in done]) if done else np.zeros((0, 1), np.intp),
            np.concatenate([scores for _, _, scores in done]) if done else np.zeros((0, 1), np.float32),
            unread=tuple(unread),
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
