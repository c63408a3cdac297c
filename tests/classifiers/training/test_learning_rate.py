import math

import pytest

from classifiers.training.learning_rate import DECAYS, LearningRateSchedule


@pytest.mark.parametrize(
    ("numbers", "factors"),
    [
        ({}, {0: 1, 10**9: 1}),
        ({"decay": "cosine", "decay_steps": 100}, {0: 1, 25: (1 + math.sqrt(0.5)) / 2, 50: 0.5, 100: 0, 500: 0}),
        ({"decay": "cosine", "decay_steps": 100, "floor": 0.2}, {0: 1, 50: 0.6, 100: 0.2, 101: 0.2}),
        ({"decay": "exponential", "decay_steps": 10, "decay_rate": 0.25}, {0: 1, 5: 0.5, 10: 0.25, 20: 0.0625}),
        ({"decay": "exponential", "decay_steps": 10, "decay_rate": 0.25, "floor": 0.1}, {10: 0.25, 20: 0.1}),
        ({"decay": "step", "decay_steps": 10, "decay_rate": 0.5}, {0: 1, 9: 1, 10: 0.5, 19: 0.5, 20: 0.25}),
        ({"decay": "step", "decay_steps": 10, "decay_rate": 0.5, "floor": 0.3}, {20: 0.3}),
    ],
)
def test_decays(numbers, factors):
    schedule = LearningRateSchedule(**numbers)
    assert {step: schedule.factor(step) for step in factors} == pytest.approx(factors, abs=1e-12)
    warmed = LearningRateSchedule(warmup_steps=4, **numbers)
    assert [warmed.factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert {step: warmed.factor(step + 4) for step in factors} == pytest.approx(factors, abs=1e-12)
    held = LearningRateSchedule(warmup_steps=4, hold_steps=6, **numbers)
    assert [held.factor(step) for step in range(4, 10)] == [1] * 6
    assert {step: held.factor(step + 10) for step in factors} == pytest.approx(factors, abs=1e-12)


@pytest.mark.parametrize("decay", DECAYS)
def test_no_factor_leaves_the_range_or_rises_after_the_warm_up(decay):
    schedule = LearningRateSchedule(decay=decay, warmup_steps=7, decay_steps=13, decay_rate=0.5, floor=0.05)
    factors = [schedule.factor(step) for step in range(300)]
    assert all(0.05 <= factor <= 1 for factor in factors)
    assert factors[:8] == sorted(factors[:8])
    assert factors[7:] == sorted(factors[7:], reverse=True)


def test_a_schedule_of_many_steps_does_not_overflow():
    assert LearningRateSchedule(decay="exponential", decay_rate=0.5).factor(10**7) == 0


def test_all_problems_are_reported_together():
    with pytest.raises(ValueError, match="decay is 'cosin'") as caught:
        LearningRateSchedule(decay="cosin", warmup_steps=-1, decay_steps=0, decay_rate=2.0, floor=math.nan)
    for name in ("constant, cosine", "warmup_steps is -1", "decay_steps is 0", "decay_rate is 2.0", "floor is nan"):
        assert name in str(caught.value)
