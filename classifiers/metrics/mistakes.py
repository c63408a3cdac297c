"""The videos that a classifier gets wrong while being sure: what a person should look at first.

In: batches of scored videos with their ids. Out: at most `limit` mistakes, the surest first, equal ones by id. With
several labels a video counts as wrong where its best class is none of its own; `true` is then its first one, or -1.

State: `limit` rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classifiers.metrics.scored_batch import ScoredBatch


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Video `id` of class `true` was given class `predicted` with this probability, its own with `true_probability`."""

    id: str
    true: int
    predicted: int
    probability: float
    true_probability: float


class Mistakes:
    """Streaming: `update` with batches, `merge` what other workers have, then ask for the `rows`."""

    def __init__(self, limit: int = 100) -> None:
        self._limit = limit
        self._rows: list[Mistake] = []

    def update(self, batch: ScoredBatch, ids: Sequence[str]) -> None:
        """Take videos in; without ids there is nothing to show."""
        if not ids:
            return
        wrong = np.flatnonzero(~batch.are_right(batch.best[:, None])[:, 0])
        sure = batch.scores[wrong, batch.best[wrong]]
        found = []
        for video in wrong[np.argsort(-sure, kind="stable")[: self._limit]]:
            true = int(batch.targets[video]) if batch.is_single_label else _first(batch.targets[video])
            predicted = int(batch.best[video])
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
        """What is kept, to be sent to another process."""
        return list(self._rows)

    def merge(self, rows: Sequence[Mistake]) -> None:
        """Take in what another worker's `state` holds."""
        self._rows = sorted([*self._rows, *rows], key=lambda row: (-row.probability, row.id))[: self._limit]

    @property
    def rows(self) -> tuple[Mistake, ...]:
        """The mistakes, the surest first."""
        return tuple(self._rows)


def _first(targets: np.ndarray) -> int:
    shown = np.flatnonzero(targets)
    return int(shown[0]) if len(shown) else -1
