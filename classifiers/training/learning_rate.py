"""Learning-rate schedules: the training step to a factor on the learning rate in [0, 1].

A schedule is data: a linear warm-up, a constant rate for a while, and then a named decay with its parameters. The
factor is a pure function of the step, so that a training resumed after a crash needs no state of the schedule.

| decay | factor, d steps after the warm-up and the constant rate |
|---|---|
| constant | 1 |
| cosine | from 1 to `floor` along half a cosine, over `decay_steps`; `floor` from then on |
| exponential | `decay_rate` ** (d / `decay_steps`), never below `floor` |
| step | `decay_rate` ** (d // `decay_steps`), never below `floor` |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LearningRateSchedule:
    """A warm-up, a hold and a decay; steps are updates of the weights, counted from 0."""

    decay: str = "constant"
    warmup_steps: int = 0
    hold_steps: int = 0
    decay_steps: int = 1
    decay_rate: float = 1.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        problems = []
        if self.decay not in DECAYS:
            problems.append(f"decay is {self.decay!r}, allowed: {', '.join(DECAYS)}")
        if self.warmup_steps < 0:
            problems.append(f"warmup_steps is {self.warmup_steps}, expected 0 or more")
        if self.hold_steps < 0:
            problems.append(f"hold_steps is {self.hold_steps}, expected 0 or more")
        if self.decay_steps < 1:
            problems.append(f"decay_steps is {self.decay_steps}, expected 1 or more")
        if not 0 < self.decay_rate <= 1:
            problems.append(f"decay_rate is {self.decay_rate}, expected above 0 and at most 1")
        if not 0 <= self.floor <= 1:
            problems.append(f"floor is {self.floor}, expected 0 to 1")
        if problems:
            raise ValueError("; ".join(problems))

    def factor(self, step: int) -> float:
        """The factor at a step. The warm-up rises from 1 / (warmup_steps + 1) to 1."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        return DECAYS[self.decay](self, max(step - self.warmup_steps - self.hold_steps, 0))


def _constant(schedule: LearningRateSchedule, steps: int) -> float:
    return 1.0


def _cosine(schedule: LearningRateSchedule, steps: int) -> float:
    done = min(steps / schedule.decay_steps, 1.0)
    return schedule.floor + (1 - schedule.floor) * (1 + math.cos(math.pi * done)) / 2


def _exponential(schedule: LearningRateSchedule, steps: int) -> float:
    return max(float(schedule.decay_rate ** (steps / schedule.decay_steps)), schedule.floor)


def _step(schedule: LearningRateSchedule, steps: int) -> float:
    return max(float(schedule.decay_rate ** (steps // schedule.decay_steps)), schedule.floor)


DECAYS: dict[str, Callable[[LearningRateSchedule, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "exponential": _exponential,
    "step": _step,
}
