"""Precision, recall, F1 and support of each class, and their averages.

In: batches of scored videos. Out: float64 arrays (K,), and `ScoreAverage`s of them. N videos, K classes.

Without a threshold the class with the highest score is the one predicted (single-label); with one, every class is whose
score reaches it (multi-label). A ratio of nothing to nothing is 0. Averages, as scikit-learn has them:

macro     mean over the classes that occur, as a label or as a prediction
weighted  mean over the labels: classes count by their support
micro     over all predictions in one; in the single-label case all three numbers are the accuracy

State: three counts a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ScoreAverage

Array = NDArray[np.float64]


class ClassMetrics:
    """Streaming: `update` with batches, `merge` what other workers have, then ask."""

    def __init__(self, num_classes: int, *, threshold: float | None = None) -> None:
        self._threshold = threshold
        self._counts = {name: np.zeros(num_classes, np.int64) for name in ("right", "predicted", "support")}

    def update(self, batch: ScoredBatch) -> None:
        """Count videos in."""
        if self._threshold is None:
            predicted = np.bincount(batch.best, minlength=batch.num_classes)
            right = batch.best[batch.are_right(batch.best[:, None])[:, 0]]
        else:
            is_predicted = batch.scores >= self._threshold
            predicted = is_predicted.sum(axis=0)
            videos, classes = batch.labels
            right = classes[is_predicted[videos, classes]]
        self._counts["right"] += np.bincount(right, minlength=batch.num_classes)
        self._counts["predicted"] += predicted
        self._counts["support"] += batch.support

    def state(self) -> dict[str, NDArray[Any]]:
        """All that was counted, as plain arrays that can be sent to another process."""
        return {name: counts.copy() for name, counts in self._counts.items()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Count in what another worker's `state` holds."""
        for name in self._counts:
            self._counts[name] = self._counts[name] + state[name]

    @property
    def support(self) -> NDArray[np.int64]:
        """(K,), how many videos have each class."""
        return self._counts["support"].copy()

    @property
    def precision(self) -> Array:
        """(K,), of the videos that were given a class, the share that have it."""
        return _ratio(self._counts["right"], self._counts["predicted"])

    @property
    def recall(self) -> Array:
        """(K,), of the videos that have a class, the share that were given it."""
        return _ratio(self._counts["right"], self._counts["support"])

    @property
    def f1(self) -> Array:
        """(K,), harmonic mean of precision and recall."""
        return _ratio(2 * self._counts["right"], self._counts["predicted"] + self._counts["support"])

    def macro(self) -> ScoreAverage:
        """Classes count alike."""
        return self._mean((self._counts["predicted"] + self._counts["support"] > 0).astype(np.int64))

    def weighted(self) -> ScoreAverage:
        """Labels count alike."""
        return self._mean(self._counts["support"])

    def micro(self) -> ScoreAverage:
        """Right predictions among all predictions, and among all labels."""
        right, predicted, support = (self._counts[name].sum() for name in ("right", "predicted", "support"))
        return ScoreAverage(
            precision=float(_ratio(right, predicted)),
            recall=float(_ratio(right, support)),
            f1=float(_ratio(2 * right, predicted + support)),
            support=int(support),
        )

    def _mean(self, weights: NDArray[np.int64]) -> ScoreAverage:
        precision, recall, f1 = (
            float(_ratio((values * weights).sum(), weights.sum())) for values in (self.precision, self.recall, self.f1)
        )
        return ScoreAverage(precision=precision, recall=recall, f1=f1, support=int(self._counts["support"].sum()))


def _ratio(part: Any, whole: Any) -> Array:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio: Array = np.zeros_like(part)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
