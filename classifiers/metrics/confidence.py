"""Confidence: the probability of the true class, by class.

In: batches of scored videos. Out: a row for each class with videos, the most confident first. In the multi-label case a
video counts for each of its classes. The standard deviation is that of the population, with a divisor of N.

State: three numbers per class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.metrics.base import StreamingMetric
from classifiers.metrics.moments import Moments
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import Confidence


class ConfidenceTable(StreamingMetric):
    """The confidence of each class."""

    def __init__(self, num_classes: int) -> None:
        self._moments = Moments(num_classes, 1)

    @override
    def update(self, batch: ScoredBatch) -> None:
        videos, classes = batch.labels
        self._moments.update(classes, batch.scores[videos, classes][:, None])

    @override
    def state(self) -> dict[str, NDArray[Any]]:
        return self._moments.state()

    @override
    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._moments.merge(state)

    def rows(self) -> tuple[Confidence, ...]:
        """The classes with videos in descending order of the mean; ties in order of the class."""
        count, mean = self._moments.counts(), self._moments.means()[:, 0]
        deviation = np.sqrt(self._moments.variances()[:, 0])
        return tuple(
            Confidence(index=int(i), support=int(count[i]), mean=float(mean[i]), standard_deviation=float(deviation[i]))
            for i in np.argsort(-mean, kind="stable")
            if count[i]
        )
