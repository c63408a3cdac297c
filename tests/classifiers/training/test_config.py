"""The configuration of a training."""

from __future__ import annotations

import math

import pytest

from classifiers.choices import MONITORS
from classifiers.training.config import PRECISIONS, TrainingConfig
from classifiers.training.phases import Phase


def test_epochs_are_those_of_all_phases() -> None:
    assert TrainingConfig().epochs == Phase().epochs
    assert TrainingConfig(phases=(Phase(epochs=3), Phase(epochs=4, stages=1))).epochs == 7


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("monitor", MONITORS)
def test_all_monitors_and_precisions_are_accepted(monitor: str, precision: str) -> None:
    config = TrainingConfig(monitor=monitor, precision=precision, patience=1, accumulate=1, max_gradient_norm=1e-9)
    assert (config.monitor, config.precision) == (monitor, precision)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"phases": ()}, "phases are empty, at least one is needed"),
        ({"accumulate": 0}, "accumulate is 0, it must be at least 1 batch"),
        ({"patience": 0}, "patience is 0, it must be at least 1 epoch"),
        ({"seed": -1}, "seed is -1, it must not be below 0"),
        ({"l1": -0.5}, "l1 is -0.5, it must not be below 0"),
        ({"l2": math.nan}, "l2 is nan, it must not be below 0"),
        ({"max_gradient_norm": 0.0}, "max_gradient_norm is 0.0, it must be above 0"),
        ({"precision": "fp16"}, "precision is 'fp16', allowed: fp32, bf16"),
        ({"monitor": "perr"}, f"monitor is 'perr', allowed: {', '.join(MONITORS)}"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=r"is|are") as caught:
        TrainingConfig(**options)  # type: ignore[arg-type]
    assert str(caught.value) == problem


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(ValueError, match="phases") as caught:
        TrainingConfig(phases=(), seed=-1, l1=math.inf, monitor="recall")
    assert len(str(caught.value).splitlines()) == 4
