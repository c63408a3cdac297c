"""The confusion matrix: which class videos have, and which one they were given.

In: batches of scored videos with one class each. Out: int64 (K, K), rows the true class, columns the one predicted (the
highest score, the first of several); and the most confused pairs. K classes.

State: K x K counts (119 MB for 3,862 classes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ConfusedClasses


class ConfusionMatrix:
    """Streaming: `update` with batches, `merge` what other workers have, then ask."""

    def __init__(self, num_classes: int) -> None:
        self._counts = np.zeros((num_classes, num_classes), np.int64)

    def update(self, batch: ScoredBatch) -> None:
        """Count videos in.

        Raises:
            ValueError: if they have any number of classes each: there is no one class to be confused then.
        """
        if not batch.is_single_label:
            raise ValueError(f"a confusion matrix takes one class a video, not targets {batch.targets.shape}")
        np.add.at(self._counts, (batch.targets, batch.best), 1)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that was counted, as plain arrays that can be sent to another process."""
        return {"counts": self._counts.copy()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Count in what another worker's `state` holds."""
        self._counts = self._counts + state["counts"]

    @property
    def counts(self) -> NDArray[np.int64]:
        """(K, K), videos."""
        return self._counts.copy()

    @property
    def shares(self) -> NDArray[np.float64]:
        """(K, K), each row divided by its sum; zeros where a class has no videos."""
        shares: NDArray[np.float64] = self._counts / np.maximum(self._counts.sum(axis=1, keepdims=True), 1)
        return shares

    def most_confused(self, count: int) -> tuple[ConfusedClasses, ...]:
        """The pairs with the most videos, at most `count`; equal ones in the order of their classes."""
        true, predicted = np.nonzero(self._counts)
        true, predicted = true[true != predicted], predicted[true != predicted]
        videos = self._counts[true, predicted]
        totals = self._counts.sum(axis=1)
        return tuple(
            ConfusedClasses(
                true=int(true[i]),
                predicted=int(predicted[i]),
                count=int(videos[i]),
                share=float(videos[i] / totals[true[i]]),
            )
            for i in np.argsort(-videos, kind="stable")[:count]
        )
