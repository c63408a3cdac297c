"""What carries out a training: in this process, or by Ray Train. One worker gives the same either way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.training.option_groups import TrainingEngineOptions
from cluster.training.worker import TrainingOutcome, TrainingPlan
from schemas.errors import InputError
from schemas.trainings import Epoch

Report = Callable[[Epoch], None]


class ResourceError(InputError):
    """There is not what the options ask for; the message says what is missing."""


@dataclass(frozen=True)
class WorkerResources:
    """What each worker has."""

    cpus: int
    on_gpu: bool


class TrainingEngine(Protocol):
    """Carries out trainings."""

    def resources(self, options: TrainingEngineOptions) -> WorkerResources:
        """What each worker will have. Raises `ResourceError` where that cannot be."""
        ...

    def run(self, plan: TrainingPlan, resources: WorkerResources, report: Report) -> TrainingOutcome:
        """Train to the end; `report` hears of each epoch."""
        ...

    def close(self) -> None:
        """Let go of everything that was started."""
        ...
