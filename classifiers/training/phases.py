"""Phases of a training: epochs that train the same stages of a network with the same numbers.

Transfer learning is two of them: first the head on frozen stages, then the last stages. Each phase starts
from the weights that the one before it ended with, with a fresh optimizer, and counts its steps from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import nn

from classifiers.training.learning_rate import LearningRateSchedule
from classifiers.training.optimizers import OptimizerConfig


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One of them.

    epochs    passes over the training split
    stages    the last so many are trained, the others stay as they are; None: all
    schedule  factor on the learning rate, by step of this phase
    """

    epochs: int = 20
    stages: int | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: LearningRateSchedule = field(default_factory=LearningRateSchedule)

    def __post_init__(self) -> None:
        """Refuse what cannot be, all of it at once."""
        problems = []
        if self.epochs < 1:
            problems.append(f"epochs is {self.epochs}, it must be at least 1")
        if self.stages is not None and self.stages < 1:
            problems.append(f"stages is {self.stages}, it must be at least 1: the head is always trained")
        if problems:
            raise ValueError("\n".join(problems))


@runtime_checkable
class Freezable(Protocol):
    """A network whose stages can be left as they are; see `classifiers.clip_models.base`."""

    def freeze(self, trained_stages: int | None) -> None:
        """Train the last so many stages alone; None: all."""


def train_stages(model: nn.Module, stages: int | None) -> None:
    """Make the last `stages` of a model those that are trained.

    Raises:
        ValueError: for a model without so many stages.
    """
    if isinstance(model, Freezable):
        model.freeze(stages)
    elif stages is not None:
        raise ValueError(f"{type(model).__name__} has no stages, of which {stages} are to be trained: leave them out")
