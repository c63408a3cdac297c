"""The worker that labels features: a portion of them in, a label shard out.

In: `Portion`, rows of one or several feature files. Out: `ScoredPortion`, the bytes of a label shard and of its ledger,
encoded in the worker, so that little travels. Everything is vectorised over rows.

With timelines, the labels of a video are means over its steps, which look at the features of its frames.

A batch never holds rows of two files. The labels of a video depend neither on the engine nor on other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.engines.base import Resources, Worker
from cluster.features.blocks import FeatureBlock, read_blocks
from cluster.features.files import FRAME, FeatureFile, FeatureFileError
from cluster.features.window import window_of
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.scoring.label_writer import LabelWriter, ScoredPortion, Unread
from cluster.storage.files import StorageError
from schemas.timelines import Timeline
from schemas.videos import start_of


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


@dataclass(frozen=True)
class PieceScores:
    """Of the n videos of a piece: their top classes and the scores of these, (n, k) each, and any timelines."""

    piece: Piece
    places: NDArray[np.intp]
    scores: NDArray[np.float32]
    timelines: Sequence[Timeline] = ()


@dataclass(frozen=True, kw_only=True)
class FeatureScorer(Worker[Portion, ScoredPortion]):
    """Labels portions, on a GPU if the process has one, or on one CPU core; with `timelines` where these are wanted."""

    classifier: TrainedClassifier
    top_k: int
    max_frames: int | None
    writer: LabelWriter
    timelines: FeatureTimelines | None = None

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
        done: list[PieceScores] = []
        unread: list[Unread] = []
        for piece in task.pieces:
            try:
                done.append(self._score(piece) if self.timelines is None else self._score_steps(piece, self.timelines))
            except (FeatureFileError, StorageError, OSError) as error:
                # The shard is written without the file.
                unread.append(Unread(piece.file.uri, len(piece.rows), str(error)))
        no_text = pa.array([], pa.string())
        return self.writer.portion(
            task.number,
            pa.concat_arrays([no_text, *(one.piece.ids for one in done)]),
            pa.concat_arrays([no_text, *(one.piece.contents for one in done)]),
            np.concatenate([one.places for one in done]) if done else np.zeros((0, 1), np.intp),
            np.concatenate([one.scores for one in done]) if done else np.zeros((0, 1), np.float32),
            timelines=[timeline for one in done for timeline in one.timelines],
            unread=tuple(unread),
        )

    def _score(self, piece: Piece) -> PieceScores:
        # A block as it is read is a good batch, and needs no copy.
        labelled = [
            self.classifier.label(
                window_of(block, 0).batch(piece.rows[rows] - block.start, self.max_frames), self.top_k
            )
            for block, rows in _blocks(piece, self.classifier.level)
        ]
        places, scores = zip(*labelled, strict=True)
        return PieceScores(piece, np.concatenate(places), np.concatenate(scores))

    def _score_steps(self, piece: Piece, timelines: FeatureTimelines) -> PieceScores:
        starts = [start_of(content) for content in piece.contents.to_pylist()]
        found: list[Timeline] = []
        for block, rows in _blocks(piece, FRAME, with_gaps=True):
            found += timelines.of_block(self.classifier, block, piece.rows[rows] - block.start, starts[rows])
        places, scores = zip(*(self.writer.labels_of(timeline, self.top_k) for timeline in found), strict=True)
        return PieceScores(piece, np.stack(places), np.stack(scores), found)


def _blocks(piece: Piece, level: str, *, with_gaps: bool = False) -> Iterator[tuple[FeatureBlock, slice]]:
    """The blocks that hold rows of a piece, and which of its rows these are."""
    groups = np.unique(np.searchsorted(np.cumsum(piece.file.row_groups), piece.rows, "right"))
    for block in read_blocks(piece.file, level, groups.tolist(), with_gaps=with_gaps):
        first, last = np.searchsorted(piece.rows, (block.start, block.start + len(block))).tolist()
        if first < last:
            yield block, slice(first, last)
