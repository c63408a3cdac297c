"""All that is measured of a classifier on one split of the data.

In: logits (N, K), targets and ids, batch by batch. Out: `summary`, numbers by name, and the parts that a report is made
of. Streaming, and mergeable among workers: the result does not depend on how the videos were shared out.

Each epoch wants the summary alone; the parts with K x K numbers are left out of it (`is_full` false).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from classifiers.losses import SINGLE_LABEL, build_loss
from classifiers.metrics.calibration import probabilities
from classifiers.metrics.calibration_error import CalibrationError
from classifiers.metrics.class_metrics import ClassMetrics
from classifiers.metrics.confidence import ConfidenceTable
from classifiers.metrics.confusion import ConfusionMatrix
from classifiers.metrics.correlation import ProbabilityCorrelation
from classifiers.metrics.mistakes import Mistakes
from classifiers.metrics.ranking import RankingMetrics
from classifiers.metrics.scored_batch import ScoredBatch

MULTI_LABEL_THRESHOLD = 0.5
FOLLOWED = 50  # classes whose correlations are kept where there are more: the first, in YouTube-8M the most common


class Part(Protocol):
    """What all parts can do."""

    def update(self, batch: ScoredBatch) -> None:
        """Take videos in."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is known, as plain arrays."""

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in another worker's state."""


class Evaluation:
    """Streaming: `update` with batches, `merge` what other workers have, then ask.

    ranking      hit@1, PERR, GAP, mAP, top-1 and top-5
    classes      precision, recall, F1 and support of each class
    confusion    single-label only
    correlation  of the first `FOLLOWED` classes
    confidence   the probability given to the right class
    calibration  whether probabilities mean what they say
    mistakes     the surest of them
    """

    def __init__(self, task: str, num_classes: int, *, is_full: bool, temperature: float = 1.0) -> None:
        self._is_single_label = task == SINGLE_LABEL
        self._temperature = temperature
        self._loss = build_loss(task)
        self._loss_sum = 0.0
        self.videos = 0
        self.ranking = RankingMetrics(num_classes)
        self.classes = ClassMetrics(num_classes, threshold=None if self._is_single_label else MULTI_LABEL_THRESHOLD)
        self.calibration = CalibrationError()
        self.confidence = ConfidenceTable(num_classes)
        self.mistakes = Mistakes()
        self.confusion = ConfusionMatrix(num_classes) if self._is_single_label else None
        self.correlation = ProbabilityCorrelation(range(min(num_classes, FOLLOWED)))
        full = (self.classes, self.confusion, self.correlation, self.confidence, self.calibration)
        self._parts: list[Part] = [self.ranking, *(part for part in full if is_full and part is not None)]
        self._is_full = is_full

    def update(self, logits: Tensor, targets: Tensor, ids: Sequence[str] = ()) -> None:
        """Take in a batch of logits."""
        logits = logits.float() / self._temperature
        self._loss_sum += float(self._loss(logits, targets)) * len(logits)
        self.videos += len(logits)
        scores = probabilities(logits.cpu().numpy(), is_single_label=self._is_single_label)
        batch = ScoredBatch(scores.astype(np.float32), targets.cpu().numpy())
        for part in self._parts:
            part.update(batch)
        if self._is_full:
            self.mistakes.update(batch, ids)

    def state(self) -> dict[str, Any]:
        """All that was measured, to be sent to another process."""
        return {
            "loss_sum": self._loss_sum,
            "videos": self.videos,
            "parts": [part.state() for part in self._parts],
            "mistakes": self.mistakes.state(),
        }

    def merge(self, state: Mapping[str, Any]) -> None:
        """Take in what another worker's `state` holds."""
        self._loss_sum += state["loss_sum"]
        self.videos += state["videos"]
        for part, other in zip(self._parts, state["parts"], strict=True):
            part.merge(other)
        self.mistakes.merge(state["mistakes"])

    @property
    def loss(self) -> float:
        """Mean cross-entropy, without penalties and label smoothing."""
        return self._loss_sum / max(self.videos, 1)

    def summary(self) -> dict[str, float]:
        """Numbers by name. Raises `ValueError` where there were no videos."""
        scores = asdict(self.ranking.scores())
        del scores["num_videos"]
        return {"loss": self.loss, **{name: float(value) for name, value in scores.items()}}
