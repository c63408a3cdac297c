"""The worker that labels features: a portion of them in, a label shard out.

In: `Portion`, rows of one or several feature files. Out: `ScoredPortion`, the bytes of a label shard and of its ledger,
encoded in the worker, so that little travels. Everything is vectorised over rows.

A batch never holds rows of two files. The labels of a video depend neither on the engine nor on other files.
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
    """Rows of one file: their numbers in it, ascending; their ids; and the contents of their videos."""

    file: FeatureFile
    rows: NDArray[np.int64]
    ids: pa.StringArray
    contents: pa.StringArray


@dataclass(frozen=True)
class Portion:
    """The features of one label shard."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def key(self) -> str:
        """Names it within its run."""
        return str(self.number)

    @property
    def videos(self) -> int:
        """The number of videos."""
        return sum(len(piece.rows) for piece in self.pieces)


@dataclass(frozen=True, kw_only=True)
class FeatureScorer(Worker[Portion, ScoredPortion]):
    """Labels portions, on a GPU if the process has one, or on one CPU core."""

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
        # Reading and inference release the GIL. The run holds the lease of the labels: it does not wait for ever.
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
            except (FeatureFileError, StorageError, OSError) as error:
                # The shard is written without the file.
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
        """Places of the top classes of a piece's rows, and their scores, (n, k) each."""
        groups = np.unique(np.searchsorted(np.cumsum(piece.file.row_groups), piece.rows, "right"))
        labelled = []
        # A block as it is read is a good batch, and needs no copy.
        for block in read_blocks(piece.file, self.classifier.level, groups.tolist()):
            first, last = np.searchsorted(piece.rows, (block.start, block.start + len(block)))
            if first < last:
                batch = window_of(block, 0).batch(piece.rows[first:last] - block.start, self.max_frames)
                labelled.append(self.classifier.label(batch, self.top_k))
        return np.concatenate([places for places, _ in labelled]), np.concatenate([scores for _, scores in labelled])
