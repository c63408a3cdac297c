"""The confusion matrix of a single-label classifier.

In: batches of scored videos with one class each. Out: int64 (K, K), rows the true class, columns the predicted one (the
highest score, the first of equal ones); and the most confused pairs. K classes.

State: K x K counts (119 MB for 3,862 classes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.metrics.base import SumMetric
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ConfusedClasses


class ConfusionMatrix(SumMetric):
    """The counts of true and predicted classes; `update` raises `ValueError` for multi-label batches."""

    def __init__(self, num_classes: int) -> None:
        super().__init__({"counts": np.zeros((num_classes, num_classes), np.int64)})

    @override
    def update(self, batch: ScoredBatch) -> None:
        if not batch.is_single_label:
            raise ValueError(f"a confusion matrix needs one class per video, not targets {batch.targets.shape}")
        np.add.at(self._sums["counts"], (batch.targets, batch.top_class), 1)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Numbers of videos (K, K)."""
        return self._sums["counts"].copy()

    @property
    def shares(self) -> NDArray[np.float64]:
        """The counts (K, K) with each row divided by its sum; zeros for classes without videos."""
        shares: NDArray[np.float64] = self._sums["counts"] / np.maximum(
            self._sums["counts"].sum(axis=1, keepdims=True), 1
        )
        return shares

    def most_confused(self, count: int) -> tuple[ConfusedClasses, ...]:
        """At most `count` pairs with the most videos; ties in order of their classes."""
        true, predicted = np.nonzero(self._sums["counts"])
        true, predicted = true[true != predicted], predicted[true != predicted]
        videos = self._sums["counts"][true, predicted]
        totals = self._sums["counts"].sum(axis=1)
        return tuple(
            ConfusedClasses(
                true=int(true[i]),
                predicted=int(predicted[i]),
                count=int(videos[i]),
                share=float(videos[i] / totals[true[i]]),
            )
            for i in np.argsort(-videos, kind="stable")[:count]
        )
