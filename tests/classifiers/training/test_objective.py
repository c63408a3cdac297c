"""The objectives agree with the loop's expectations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from classifiers.data.batches import ClipBatch
from classifiers.training.config import TrainingConfig
from classifiers.training.objective import Classification

LOGITS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 3.0]])


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("single-label", torch.tensor([0, 1])),
        ("multi-label", torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])),
    ],
)
def test_classification_counts_hits_and_measures(task: str, targets: torch.Tensor) -> None:
    objective = Classification(task, 3, TrainingConfig())
    batch = ClipBatch(torch.zeros(2, 1), targets, ("a", "b"))
    assert objective.counts(LOGITS, batch).tolist() == [1]
    evaluation = objective.evaluation(is_full=True, temperature=1.0)
    objective.measure(evaluation, LOGITS, batch)
    assert evaluation.summary()["hit_at_one"] == 0.5
    assert evaluation.summary()["loss"] == pytest.approx(float(objective.loss(LOGITS, batch)))
    assert objective.examples(evaluation) == ()


def test_weights_of_classes_are_those_of_the_configuration() -> None:
    weighted = Classification("single-label", 3, TrainingConfig(class_weights=(2.0, 0.5, 0.5)))
    plain = Classification("single-label", 3, TrainingConfig())
    batch = ClipBatch(torch.zeros(2, 1), torch.tensor([0, 1]))
    weighted.to(torch.device("cpu"))
    losses = torch.nn.functional.cross_entropy(LOGITS, torch.tensor([0, 1]), reduction="none").numpy()
    assert float(plain.loss(LOGITS, batch)) == pytest.approx(losses.mean())
    assert float(weighted.loss(LOGITS, batch)) == pytest.approx(np.mean(losses * [2.0, 0.5]))
