"""Expected calibration error and reliability diagram: are 80 % of the predictions with 80 % confidence correct?

In: batches of videos scored with probabilities. Out: the expected calibration error in [0, 1], and the 15 equally wide
bins of the reliability diagram. In the single-label case a video has one prediction, the class with the highest
probability; in the multi-label case every class of every video is a prediction with its probability. Of thousands of
classes nearly all have a probability near 0, correctly, which makes the multi-label error small.

State: three numbers per bin. Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks"
(2017).
"""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from classifiers.metrics.base import SumMetric
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ReliabilityBin

NUM_BINS = 15


class CalibrationError(SumMetric):
    """The bins of confidences and their accuracy."""

    def __init__(self) -> None:
        super().__init__({name: np.zeros(NUM_BINS) for name in ("count", "confidence", "correct")})

    @override
    def update(self, batch: ScoredBatch) -> None:
        if batch.is_single_label:
            confidences = batch.scores.max(axis=1).astype(np.float64)
            correct = batch.are_correct(batch.top_class[:, None])[:, 0]
        else:
            confidences, correct = batch.scores.astype(np.float64).ravel(), batch.targets.ravel().astype(bool)
        if confidences.size and (confidences.min() < 0 or confidences.max() > 1 + 1e-6):
            raise ValueError(
                f"scores from {confidences.min()} to {confidences.max()} are not probabilities; apply softmax or "
                "sigmoid to logits"
            )
        bins = np.clip(np.ceil(confidences * NUM_BINS).astype(np.intp) - 1, 0, NUM_BINS - 1)
        self._sums["count"] += np.bincount(bins, minlength=NUM_BINS)
        self._sums["confidence"] += np.bincount(bins, weights=confidences, minlength=NUM_BINS)
        self._sums["correct"] += np.bincount(bins, weights=correct, minlength=NUM_BINS)

    @property
    def expected(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy over the predictions."""
        total = self._sums["count"].sum()
        return float(np.abs(self._sums["confidence"] - self._sums["correct"]).sum() / total) if total else 0.0

    def bins(self) -> tuple[ReliabilityBin, ...]:
        """The bins of the reliability diagram that are not empty."""
        columns = (self._sums[name] for name in ("count", "confidence", "correct"))
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
