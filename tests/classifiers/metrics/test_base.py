"""The state of a metric is a copy, and merging adds the states of all workers."""

from __future__ import annotations

import numpy as np
import pytest
from typing_extensions import override

from classifiers.metrics.base import StreamingMetric, SumMetric
from classifiers.metrics.scored_batch import ScoredBatch


class Counts(SumMetric):
    """Videos and labels of each class."""

    def __init__(self) -> None:
        super().__init__({"videos": np.zeros(1, np.int64), "labels": np.zeros(3, np.int64)})

    @override
    def update(self, batch: ScoredBatch) -> None:
        self._sums["videos"] += len(batch)
        self._sums["labels"] += batch.support


def batch(*targets: int) -> ScoredBatch:
    return ScoredBatch(np.full((len(targets), 3), 1 / 3), np.array(targets))


def test_states_of_workers_add_up() -> None:
    one, other = Counts(), Counts()
    one.update(batch(0, 0, 2))
    other.update(batch(1))
    other.update(batch(2, 2))
    one.merge(other.state())
    state = one.state()
    assert state["videos"].tolist() == [6]
    assert state["labels"].tolist() == [2, 1, 3]
    assert state["labels"].dtype == np.int64


def test_a_state_does_not_change_with_its_metric() -> None:
    metric = Counts()
    metric.update(batch(0))
    state = metric.state()
    metric.update(batch(0))
    metric.merge(state)
    assert state["labels"].tolist() == [1, 0, 0]
    assert metric.state()["labels"].tolist() == [3, 0, 0]


def test_a_metric_must_implement_all_three() -> None:
    with pytest.raises(TypeError, match="abstract"):
        StreamingMetric()  # type: ignore[abstract]
