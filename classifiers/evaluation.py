"""Everything that is measured of a classifier on a split, side by side, in one pass.

In: probabilities and targets, batch by batch, as `ScoredBatch` takes them. Out: the parts, each with its own answers.
Workers send each other `state()`, plain arrays by part and name, and `merge` it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import ArrayLike, NDArray

from classifiers.calibration_error import CalibrationError
from classifiers.class_metrics import ClassMetrics
from classifiers.confidence import ConfidenceTable
from classifiers.confusion import ConfusionMatrix
from classifiers.correlation import ProbabilityCorrelation
from classifiers.losses import SINGLE_LABEL, TASKS
from classifiers.metrics import RankingMetrics
from classifiers.scored_batch import ScoredBatch

THRESHOLD = 0.5
FOLLOWED = (
    50  # classes whose correlations are kept where nothing else is said: the first, in YouTube-8M the most common
)


class Part(Protocol):
    """What all parts can do."""

    def update(self, batch: ScoredBatch) -> None:
        """Take videos in."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is known, as plain arrays."""

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in another worker's state."""


class Evaluation:
    """All metrics of one task. `confusion` is None with many labels, where there is no one class to be confused."""

    def __init__(
        self, num_classes: int, *, task: str, threshold: float = THRESHOLD, followed: Sequence[int] | None = None
    ) -> None:
        if task not in TASKS:
            raise ValueError(f"task is {task!r}, allowed: {', '.join(TASKS)}")
        is_single = task == SINGLE_LABEL
        self.ranking = RankingMetrics(num_classes)
        self.classes = ClassMetrics(num_classes, threshold=None if is_single else threshold)
        self.confusion = ConfusionMatrix(num_classes) if is_single else None
        self.correlation = ProbabilityCorrelation(range(min(num_classes, FOLLOWED)) if followed is None else followed)
        self.confidence = ConfidenceTable(num_classes)
        self.calibration_error = CalibrationError()

    def update(self, probabilities: ArrayLike, targets: ArrayLike) -> None:
        """Take videos in: probabilities (N, K), targets (N,) or (N, K)."""
        batch = ScoredBatch(probabilities, targets)
        for part in self._parts().values():
            part.update(batch)

    def state(self) -> dict[str, dict[str, NDArray[Any]]]:
        """All that is known, as plain arrays that can be sent to another process."""
        return {name: part.state() for name, part in self._parts().items()}

    def merge(self, state: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        """Take in what another worker's `state` holds; it must measure the same task and classes."""
        for name, part in self._parts().items():
            part.merge(state[name])

    def _parts(self) -> dict[str, Part]:
        return {name: part for name, part in vars(self).items() if part is not None}
