"""Correlation of the probabilities of classes over the videos of each true class.

In: batches of scored videos. Out, for M of the classes: Pearson correlations, float64. A negative correlation of class
c with another class over the videos of c means that probability shifts between the two: the model confuses them, even
where its prediction is correct.

Correlations are NaN for a class with fewer than `MIN_VIDEOS` videos (with two, any correlation is 1 or -1), and for a
probability that varies by no more than rounding.

`within` (M, M)  over the videos of one class
`matrix` (M, M)  row c: the correlation of class c with every class over the videos of c, shown as the heat map

In the multi-label case a video counts for each of its classes. The state has M numbers for each pair of the M classes:
1 MB for 50 classes, 134 MB for 256. With more classes, M of them are selected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.metrics.base import StreamingMetric
from classifiers.metrics.moments import Moments
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import TradedClasses

MAX_CLASSES = 256
MIN_VIDEOS = 10  # at which correlations of independent probabilities still have a standard deviation of a third
# A standard deviation this small relative to the mean is due to the rounding of float32 probabilities.
ROUNDING = 8 * float(np.finfo(np.float32).eps)
Array = NDArray[np.float64]


class ProbabilityCorrelation(StreamingMetric):
    """Correlations of `classes`, distinct indices in 0 to K - 1."""

    def __init__(self, classes: Sequence[int]) -> None:
        distinct = len(set(classes))
        if not 0 < distinct <= MAX_CLASSES or distinct < len(classes) or min(classes) < 0:
            raise ValueError(
                f"correlations need 1 to {MAX_CLASSES} distinct class indices from 0, not {len(classes)} of "
                f"which {distinct} are distinct and the lowest is {min(classes, default=None)}"
            )
        self.classes = tuple(classes)
        self._moments = Moments(len(classes), len(classes), products=True)

    @override
    def update(self, batch: ScoredBatch) -> None:
        if max(self.classes) >= batch.num_classes:
            raise ValueError(f"class {max(self.classes)} is selected, but there are {batch.num_classes} classes")
        group_of = np.full(batch.num_classes, -1)
        group_of[list(self.classes)] = np.arange(len(self.classes))
        videos, classes = batch.labels
        groups = group_of[classes]
        scores = batch.scores[:, self.classes]
        self._moments.update(groups[groups >= 0], scores[videos[groups >= 0]])

    @override
    def state(self) -> dict[str, NDArray[Any]]:
        return self._moments.state()

    @override
    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._moments.merge(state)

    def within(self, true: int) -> Array:
        """Correlations (M, M) over the videos of class `true`."""
        group = self.classes.index(true)
        return self._correlations(group, self._deviations()[group])

    def matrix(self) -> Array:
        """Correlations (M, M); row c is row c of `within(c)`."""
        return np.stack([self._correlations(group, own)[group] for group, own in enumerate(self._deviations())])

    def most_negative(self, count: int) -> tuple[TradedClasses, ...]:
        """At most `count` pairs with the most negative correlation; ties in order of their classes."""
        matrix = self.matrix()
        np.fill_diagonal(matrix, np.nan)
        flat = np.where(matrix < 0, matrix, np.inf).ravel()  # excludes NaN as well
        pairs = (divmod(int(i), len(self.classes)) for i in np.argsort(flat, kind="stable")[:count] if flat[i] < 0)
        return tuple(
            TradedClasses(true=self.classes[i], other=self.classes[j], correlation=float(matrix[i, j]))
            for i, j in pairs
        )

    def _deviations(self) -> Array:
        """Standard deviations (M, M), row c over the videos of class c; 0 where the correlation is undefined."""
        deviations = np.sqrt(self._moments.variances())
        is_defined = (self._moments.counts() >= MIN_VIDEOS)[:, None] & (deviations > ROUNDING * self._moments.means())
        return np.where(is_defined, deviations, 0.0)

    def _correlations(self, group: int, deviations: Array) -> Array:
        scale = deviations[:, None] * deviations
        found = np.full_like(scale, np.nan)
        np.divide(self._moments.covariances(group), scale, out=found, where=scale > 0)
        clipped: Array = np.clip(found, -1.0, 1.0)
        return clipped
