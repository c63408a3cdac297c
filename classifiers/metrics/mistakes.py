"""The most confident mistakes of a classifier, which are worth a manual check.

In: batches of scored videos with their ids. Out: at most `limit` mistakes, the most confident first, ties by id. In the
multi-label case a video is a mistake if its top class is not one of its labels; `true` is its first label, or -1.

State: `limit` rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifiers.metrics.scored_batch import ScoredBatch


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Video `id` of class `true` was predicted as class `predicted` with `probability`."""

    id: str
    true: int
    predicted: int
    probability: float
    true_probability: float


class Mistakes:
    """Collects mistakes batch by batch; mergeable among workers."""

    def __init__(self, limit: int = 100) -> None:
        self._limit = limit
        self._rows: list[Mistake] = []

    def update(self, batch: ScoredBatch, ids: Sequence[str]) -> None:
        """Add the videos of a batch; ignored without ids."""
        if not ids:
            return
        wrong = np.flatnonzero(~batch.are_correct(batch.top_class[:, None])[:, 0])
        confidences = batch.scores[wrong, batch.top_class[wrong]]
        found = []
        for video in wrong[np.argsort(-confidences, kind="stable")[: self._limit]]:
            true = int(batch.targets[video]) if batch.is_single_label else _first(batch.targets[video])
            predicted = int(batch.top_class[video])
            found.append(
                Mistake(
                    id=ids[video],
                    true=true,
                    predicted=predicted,
                    probability=float(batch.scores[video, predicted]),
                    true_probability=float(batch.scores[video, true]) if true >= 0 else 0.0,
                )
            )
        self.merge(found)

    def state(self) -> list[Mistake]:
        """The mistakes, to be sent to another process."""
        return list(self._rows)

    def merge(self, rows: Sequence[Mistake]) -> None:
        """Add the `state` of another worker."""
        self._rows = sorted([*self._rows, *rows], key=lambda row: (-row.probability, row.id))[: self._limit]

    @property
    def rows(self) -> tuple[Mistake, ...]:
        """The mistakes, the most confident first."""
        return tuple(self._rows)


def _first(targets: np.ndarray) -> int:
    """The first class of a video; -1 if it has none."""
    classes = np.flatnonzero(targets)
    return int(classes[0]) if len(classes) else -1
