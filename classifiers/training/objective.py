"""What a network is trained for: the loss of a batch, and the evaluation of a split.

The training loop knows its task only through an `Objective`. N videos, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from classifiers.losses import build_loss
from classifiers.metrics.evaluation import Evaluation
from classifiers.training.config import TrainingConfig
from schemas.text_results import ReadSentence


class SplitEvaluation(Protocol):
    """The metrics of a split, streaming and mergeable."""

    def state(self) -> dict[str, Any]:
        """The accumulated state, to be sent to another process."""

    def merge(self, state: Mapping[str, Any]) -> None:
        """Add the `state` of another worker."""

    def summary(self) -> dict[str, float]:
        """The metrics by name, the loss among them."""


class Objective(Protocol):
    """One task.

    shares  what an epoch of training measures besides the loss, by name: shares of the videos
    """

    @property
    def shares(self) -> tuple[str, ...]:
        """Their names."""

    def to(self, device: torch.device) -> None:
        """Move what the loss needs to a device."""

    def loss(self, outputs: Tensor, batch: Any) -> Tensor:
        """The mean loss of a batch."""

    def counts(self, outputs: Tensor, batch: Any) -> Tensor:
        """The number of videos of a batch that count for each of `shares`, on the device of the outputs."""

    def evaluation(self, *, is_full: bool, **options: Any) -> Any:
        """An empty `SplitEvaluation`; without `is_full`, of the summary alone."""

    def measure(self, evaluation: Any, outputs: Tensor, batch: Any) -> None:
        """Add a batch to an evaluation."""

    def examples(self, evaluation: Any) -> tuple[ReadSentence, ...]:
        """What the record of an epoch shows of an evaluation."""


class Classification:
    """Classes of videos: cross-entropy, and hit@1 while training."""

    shares = ("hit_at_one",)

    def __init__(self, task: str, num_classes: int, config: TrainingConfig) -> None:
        self._task, self._num_classes = task, num_classes
        self._loss = build_loss(task, class_weights=config.class_weights, label_smoothing=config.label_smoothing)

    def to(self, device: torch.device) -> None:
        """Move the weights of the classes to a device."""
        self._loss.to(device)

    def loss(self, outputs: Tensor, batch: Any) -> Tensor:
        """The mean loss of logits (N, K)."""
        loss: Tensor = self._loss(outputs, batch.targets)
        return loss

    def counts(self, outputs: Tensor, batch: Any) -> Tensor:
        """The number of videos whose top class is one of their labels."""
        top_class, targets = outputs.argmax(dim=1), batch.targets
        is_right: Tensor = top_class == targets if targets.ndim == 1 else targets.gather(1, top_class[:, None])
        return is_right.sum()[None]

    def evaluation(self, *, is_full: bool, **options: Any) -> Evaluation:
        """An empty evaluation; `options` are those of `Evaluation`."""
        return Evaluation(self._task, self._num_classes, is_full=is_full, **options)

    def measure(self, evaluation: Any, outputs: Tensor, batch: Any) -> None:
        """Add logits (N, K)."""
        evaluation.update(outputs, batch.targets, batch.ids)

    def examples(self, evaluation: Any) -> tuple[ReadSentence, ...]:
        """None."""
        return ()
