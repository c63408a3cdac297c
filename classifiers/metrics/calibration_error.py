"""Whether probabilities mean what they say: of the predictions made with 80 %, are 80 % right?

In: batches of videos scored with probabilities. Out: the expected calibration error, between 0 and 1, and the bins of
the reliability diagram: 15 equally wide ones. With one class a video, the prediction is the class with the highest
probability; with any number of them, every class of every video is one, which says yes with its probability. Of
thousands of classes nearly all have a probability near 0, and rightly so: the error of many labels is small by itself.

State: three numbers a bin. Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ReliabilityBin

NUM_BINS = 15


class CalibrationError:
    """Streaming: `update` with batches, `merge` what other workers have, then ask."""

    def __init__(self) -> None:
        self._sums = {name: np.zeros(NUM_BINS) for name in ("count", "confidence", "right")}

    def update(self, batch: ScoredBatch) -> None:
        """Count predictions in."""
        if batch.is_single_label:
            confidences = batch.scores.max(axis=1).astype(np.float64)
            right = batch.are_right(batch.best[:, None])[:, 0]
        else:
            confidences, right = batch.scores.astype(np.float64).ravel(), batch.targets.ravel().astype(bool)
        if confidences.size and (confidences.min() < 0 or confidences.max() > 1 + 1e-6):
            raise ValueError(f"{confidences.min()} to {confidences.max()} are no probabilities: turn logits into some")
        bins = np.clip(np.ceil(confidences * NUM_BINS).astype(np.intp) - 1, 0, NUM_BINS - 1)
        self._sums["count"] += np.bincount(bins, minlength=NUM_BINS)
        self._sums["confidence"] += np.bincount(bins, weights=confidences, minlength=NUM_BINS)
        self._sums["right"] += np.bincount(bins, weights=right, minlength=NUM_BINS)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that was counted, as plain arrays that can be sent to another process."""
        return {name: sums.copy() for name, sums in self._sums.items()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Count in what another worker's `state` holds."""
        for name in self._sums:
            self._sums[name] = self._sums[name] + state[name]

    @property
    def expected(self) -> float:
        """The distance of probability and accuracy in each bin; the mean over the predictions."""
        total = self._sums["count"].sum()
        return float(np.abs(self._sums["confidence"] - self._sums["right"]).sum() / total) if total else 0.0

    def bins(self) -> tuple[ReliabilityBin, ...]:
        """The reliability diagram: the bins that are not empty."""
        columns = (self._sums[name] for name in ("count", "confidence", "right"))
        return tuple(
            ReliabilityBin(
                low=i / NUM_BINS,
                high=(i + 1) / NUM_BINS,
                count=int(count),
                confidence=float(confidence / count),
                accuracy=float(right / count),
            )
            for i, (count, confidence, right) in enumerate(zip(*columns, strict=True))
            if count
        )
