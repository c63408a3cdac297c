"""Phases of a training: epochs that train the same stages of a network with the same settings.

Transfer learning has two phases: first the head alone, on frozen stages, then the last stages. Each phase starts from
the final weights of the previous one, with a new optimizer, and counts its steps from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import nn

from classifiers.training.learning_rate import LearningRateSchedule
from classifiers.training.optimizers import OptimizerConfig


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase.

    epochs    passes over the training split
    stages    number of last stages to train, the others are frozen; None: all are trained
    schedule  of the learning rate, by step of this phase
    """

    epochs: int = 20
    stages: int | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: LearningRateSchedule = field(default_factory=LearningRateSchedule)

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        problems = []
        if self.epochs < 1:
            problems.append(f"epochs is {self.epochs}, it must be at least 1")
        if self.stages is not None and self.stages < 1:
            problems.append(f"stages is {self.stages}, it must be at least 1: the head is always trained")
        if problems:
            raise ValueError("\n".join(problems))


@runtime_checkable
class Freezable(Protocol):
    """A network whose stages can be frozen, such as a `ClipModel`."""

    def freeze(self, trained_stages: int | None) -> None:
        """Train only the last `trained_stages`; None: all."""


def train_stages(model: nn.Module, stages: int | None) -> None:
    """Train only the last `stages` of a model; None: all.

    Raises:
        ValueError: for a model without stages or with fewer.
    """
    if isinstance(model, Freezable):
        model.freeze(stages)
    elif stages is not None:
        raise ValueError(f"{type(model).__name__} has no stages to freeze, but stages is {stages}; omit it")
