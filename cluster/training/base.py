"""The protocol of training engines: in this process, or on Ray Train. A single worker gives the same result on both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cluster.training.option_groups import TrainingEngineOptions
from cluster.training.progress import StageProgress
from cluster.training.worker import TrainingOutcome, TrainingPlan
from schemas.errors import InputError
from schemas.trainings import Epoch

Report = Callable[[Epoch], None]
Show = Callable[[StageProgress], None]


class ResourceError(InputError):
    """The machine or cluster lacks what the options require; the message says what."""


@dataclass(frozen=True)
class WorkerResources:
    """Resources of each worker."""

    cpus: int
    on_gpu: bool


class TrainingEngine(Protocol):
    """Runs trainings."""

    def resources(self, options: TrainingEngineOptions) -> WorkerResources:
        """Resources of each worker. Raises `ResourceError` if they do not exist."""
        ...

    def run(
        self, plan: TrainingPlan, resources: WorkerResources, report: Report, show: Show | None = None
    ) -> TrainingOutcome:
        """Train to the end; `report` is called after each epoch, and `show` with the progress within stages."""
        ...

    def close(self) -> None:
        """Release everything that was started."""
        ...
