"""How the probabilities of classes vary together, among the videos of each true class.

In: batches of scored videos. Out, for M of the classes: Pearson correlations, float64. In the videos of class c, the
more negative the correlation of c with another class, the more those two trade probability with each other: confusions
that the model is of two minds about, whatever it decides.

NaN stands for what is not known: of a class with fewer than `FEWEST_VIDEOS` videos (the correlation of any two is 1 or
-1), and of a probability that varies by no more than rounding.

`within` (M, M)  among the videos of one class
`traded` (M, M)  row c: the correlation of class c with each other one among the videos of c. The heat map

With several labels a video counts for each of its classes. M numbers are kept for each pair of the M classes: 1 MB for
50, 134 MB for 256, therefore the classes to follow are chosen where there are more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics.moments import Moments
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import TradedClasses

MAX_CLASSES = 256
FEWEST_VIDEOS = 10  # of unrelated probabilities, the correlations among so many still spread by a third
# A standard deviation this small beside its mean is the rounding of float32 probabilities in another order.
ROUNDING = 8 * float(np.finfo(np.float32).eps)
Array = NDArray[np.float64]


class ProbabilityCorrelation:
    """Streaming: `update` with batches, `merge` what other workers have, then ask. `classes` are indices 0 to K - 1."""

    def __init__(self, classes: Sequence[int]) -> None:
        different = len(set(classes))
        if not 0 < different <= MAX_CLASSES or different < len(classes) or min(classes) < 0:
            raise ValueError(
                f"correlations follow 1 to {MAX_CLASSES} different classes, counted from 0, not {len(classes)} of "
                f"which {different} are different and the lowest is {min(classes, default=None)}"
            )
        self.classes = tuple(classes)
        self._moments = Moments(len(classes), len(classes), products=True)

    def update(self, batch: ScoredBatch) -> None:
        """Take in the videos of the classes that are followed."""
        if max(self.classes) >= batch.num_classes:
            raise ValueError(f"class {max(self.classes)} is to be followed, but there are {batch.num_classes}")
        group_of = np.full(batch.num_classes, -1)
        group_of[list(self.classes)] = np.arange(len(self.classes))
        videos, classes = batch.labels
        groups = group_of[classes]
        scores = batch.scores[:, self.classes]
        self._moments.update(groups[groups >= 0], scores[videos[groups >= 0]])

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is known, as plain arrays that can be sent to another process."""
        return self._moments.state()

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in what another worker's `state` holds; it must follow the same classes."""
        self._moments.merge(state)

    def within(self, true: int) -> Array:
        """(M, M), the correlations among the videos of class `true`."""
        group = self.classes.index(true)
        return self._correlations(group, self._deviations()[group])

    def traded(self) -> Array:
        """(M, M), row c being row c of `within(c)`: what the videos of a class trade with the other classes."""
        return np.stack([self._correlations(group, own)[group] for group, own in enumerate(self._deviations())])

    def most_traded(self, count: int) -> tuple[TradedClasses, ...]:
        """The most negative pairs, at most `count`; equal ones in the order of their classes."""
        traded = self.traded()
        np.fill_diagonal(traded, np.nan)
        flat = np.where(traded < 0, traded, np.inf).ravel()  # NaN is not below 0 either
        pairs = (divmod(int(i), len(self.classes)) for i in np.argsort(flat, kind="stable")[:count] if flat[i] < 0)
        return tuple(
            TradedClasses(true=self.classes[i], other=self.classes[j], correlation=float(traded[i, j]))
            for i, j in pairs
        )

    def _deviations(self) -> Array:
        """(M, M), row c the standard deviations among the videos of class c; 0 where they tell nothing."""
        deviations = np.sqrt(self._moments.variances())
        is_known = (self._moments.counts() >= FEWEST_VIDEOS)[:, None] & (deviations > ROUNDING * self._moments.means())
        return np.where(is_known, deviations, 0.0)

    def _correlations(self, group: int, deviations: Array) -> Array:
        scale = deviations[:, None] * deviations
        found = np.full_like(scale, np.nan)
        np.divide(self._moments.covariances(group), scale, out=found, where=scale > 0)
        clipped: Array = np.clip(found, -1.0, 1.0)
        return clipped
