"""How sure the model is of each class: the probability that it gives to the right one.

In: batches of scored videos. Out: a row for each class that has videos, the surest first. With several labels a video
counts for each of its classes. The standard deviation is that of the videos at hand, divided by their number.

State: three numbers a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics.moments import Moments
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import Confidence


class ConfidenceTable:
    """Streaming: `update` with batches, `merge` what other workers have, then ask for the `rows`."""

    def __init__(self, num_classes: int) -> None:
        self._moments = Moments(num_classes, 1)

    def update(self, batch: ScoredBatch) -> None:
        """Take videos in."""
        videos, classes = batch.labels
        self._moments.update(classes, batch.scores[videos, classes][:, None])

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is known, as plain arrays that can be sent to another process."""
        return self._moments.state()

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in what another worker's `state` holds."""
        self._moments.merge(state)

    def rows(self) -> tuple[Confidence, ...]:
        """The classes that have videos, by falling mean; equal ones in their order."""
        count, mean = self._moments.counts(), self._moments.means()[:, 0]
        deviation = np.sqrt(self._moments.variances()[:, 0])
        return tuple(
            Confidence(index=int(i), support=int(count[i]), mean=float(mean[i]), standard_deviation=float(deviation[i]))
            for i in np.argsort(-mean, kind="stable")
            if count[i]
        )
