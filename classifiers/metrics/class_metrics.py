"""Precision, recall, F1 and support of each class, and their averages.

In: batches of scored videos. Out: float64 arrays (K,), and their `ScoreAverage`s. K classes.

Without a threshold, the class with the highest score is predicted (single-label); with a threshold, every class whose
score reaches it (multi-label). 0 / 0 is 0. Averages are defined as in scikit-learn:

macro     mean over the classes that occur as a label or as a prediction
weighted  mean over the classes, weighted by support
micro     over all predictions together; in the single-label case all three values equal the accuracy

State: three counts per class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.metrics.base import SumMetric
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ScoreAverage

Array = NDArray[np.float64]


class ClassMetrics(SumMetric):
    """Counts of correct predictions, predictions and labels per class."""

    def __init__(self, num_classes: int, *, threshold: float | None = None) -> None:
        super().__init__({name: np.zeros(num_classes, np.int64) for name in ("correct", "predicted", "support")})
        self._threshold = threshold

    @override
    def update(self, batch: ScoredBatch) -> None:
        if self._threshold is None:
            predicted = np.bincount(batch.top_class, minlength=batch.num_classes)
            correct = batch.top_class[batch.are_correct(batch.top_class[:, None])[:, 0]]
        else:
            is_predicted = batch.scores >= self._threshold
            predicted = is_predicted.sum(axis=0)
            videos, classes = batch.labels
            correct = classes[is_predicted[videos, classes]]
        self._sums["correct"] += np.bincount(correct, minlength=batch.num_classes)
        self._sums["predicted"] += predicted
        self._sums["support"] += batch.support

    @property
    def support(self) -> NDArray[np.int64]:
        """Labels of each class (K,)."""
        return self._sums["support"].copy()

    @property
    def precision(self) -> Array:
        """Correct predictions over all predictions of each class (K,)."""
        return _ratio(self._sums["correct"], self._sums["predicted"])

    @property
    def recall(self) -> Array:
        """Correct predictions over all labels of each class (K,)."""
        return _ratio(self._sums["correct"], self._sums["support"])

    @property
    def f1(self) -> Array:
        """Harmonic mean of precision and recall of each class (K,)."""
        return _ratio(2 * self._sums["correct"], self._sums["predicted"] + self._sums["support"])

    def macro(self) -> ScoreAverage:
        """The mean over the classes that occur."""
        return self._mean((self._sums["predicted"] + self._sums["support"] > 0).astype(np.int64))

    def weighted(self) -> ScoreAverage:
        """The mean over the classes, weighted by support."""
        return self._mean(self._sums["support"])

    def micro(self) -> ScoreAverage:
        """Precision and recall over all predictions and labels together."""
        correct, predicted, support = (self._sums[name].sum() for name in ("correct", "predicted", "support"))
        return ScoreAverage(
            precision=float(_ratio(correct, predicted)),
            recall=float(_ratio(correct, support)),
            f1=float(_ratio(2 * correct, predicted + support)),
            support=int(support),
        )

    def _mean(self, weights: NDArray[np.int64]) -> ScoreAverage:
        precision, recall, f1 = (
            float(_ratio((values * weights).sum(), weights.sum())) for values in (self.precision, self.recall, self.f1)
        )
        return ScoreAverage(precision=precision, recall=recall, f1=f1, support=int(self._sums["support"].sum()))


def _ratio(part: Any, whole: Any) -> Array:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio: Array = np.zeros_like(part)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
