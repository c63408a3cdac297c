"""Evaluation of a classifier on one split: all metrics together.

In: logits (N, K), targets and ids, batch by batch. Out: `summary`, values by name, and the metrics for a report. Like
each metric it is streaming and mergeable: the result does not depend on how the videos were distributed to workers.

The evaluation of an epoch needs the summary alone; with `is_full` False, the other metrics are not computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from torch import Tensor

from classifiers.choices import SINGLE_LABEL
from classifiers.losses import build_loss
from classifiers.metrics.base import StreamingMetric
from classifiers.metrics.calibration import probabilities
from classifiers.metrics.calibration_error import CalibrationError
from classifiers.metrics.class_metrics import ClassMetrics
from classifiers.metrics.confidence import ConfidenceTable
from classifiers.metrics.confusion import ConfusionMatrix
from classifiers.metrics.correlation import ProbabilityCorrelation
from classifiers.metrics.group_accuracy import NO_GROUPS, GroupAccuracy, VideoGroups
from classifiers.metrics.mistakes import Mistakes
from classifiers.metrics.ranking import RankingMetrics
from classifiers.metrics.scored_batch import ScoredBatch

MULTI_LABEL_THRESHOLD = 0.5
CORRELATED_CLASSES = 50  # the first classes, in YouTube-8M the most common, whose correlations are computed


class Evaluation:
    """The metrics of one split.

    ranking      hit@1, PERR, GAP, mAP, mAP@10, top-1 and top-5 accuracy
    classes      precision, recall, F1 and support of each class
    confusion    single-label only
    correlation  of the first `CORRELATED_CLASSES` classes
    confidence   probability of the true class
    calibration  expected calibration error and reliability diagram
    mistakes     the most confident mistakes
    groups       accuracy of each group of videos, if there are `groups`
    """

    def __init__(
        self,
        task: str,
        num_classes: int,
        *,
        is_full: bool,
        temperature: float = 1.0,
        groups: VideoGroups = NO_GROUPS,
    ) -> None:
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
        self.groups = GroupAccuracy(groups)
        self.confusion = ConfusionMatrix(num_classes) if self._is_single_label else None
        self.correlation = ProbabilityCorrelation(range(min(num_classes, CORRELATED_CLASSES)))
        full = (self.classes, self.confusion, self.correlation, self.confidence, self.calibration)
        self._metrics: list[StreamingMetric] = [self.ranking]
        self._metrics += [metric for metric in full if is_full and metric is not None]
        self._is_full = is_full

    def update(self, logits: Tensor, targets: Tensor, ids: Sequence[str] = ()) -> None:
        """Add a batch: logits (N, K), targets, and the ids of the videos, which mistakes and groups need."""
        logits = logits.float() / self._temperature
        self._loss_sum += float(self._loss(logits, targets)) * len(logits)
        self.videos += len(logits)
        scores = probabilities(logits.cpu().numpy(), is_single_label=self._is_single_label)
        batch = ScoredBatch(scores.astype(np.float32), targets.cpu().numpy())
        for metric in self._metrics:
            metric.update(batch)
        if self._is_full:
            self.mistakes.update(batch, ids)
            self.groups.update(batch, ids)

    def state(self) -> dict[str, Any]:
        """The accumulated state, to be sent to another process."""
        return {
            "loss_sum": self._loss_sum,
            "videos": self.videos,
            "metrics": [metric.state() for metric in self._metrics],
            "mistakes": self.mistakes.state(),
            "groups": self.groups.state(),
        }

    def merge(self, state: Mapping[str, Any]) -> None:
        """Add the `state` of another worker."""
        self._loss_sum += state["loss_sum"]
        self.videos += state["videos"]
        for metric, other in zip(self._metrics, state["metrics"], strict=True):
            metric.merge(other)
        self.mistakes.merge(state["mistakes"])
        self.groups.merge(state["groups"])

    @property
    def loss(self) -> float:
        """Mean cross-entropy, without penalties and label smoothing."""
        return self._loss_sum / max(self.videos, 1)

    def summary(self) -> dict[str, float]:
        """The loss and the ranking metrics by name; raises `ValueError` if there were no videos."""
        scores = asdict(self.ranking.scores())
        del scores["num_videos"]
        return {"loss": self.loss, **{name: float(value) for name, value in scores.items()}}
