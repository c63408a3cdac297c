"""Where a training is carried out: in this process, or by Ray Train. One worker gives the same either way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import torch

from classifiers.checkpoint import EpochRecord
from classifiers.workers import Alone
from cluster.cores import usable_cores
from cluster.training_config import AUTO, GPU, LOCAL, RAY, ClassifierTrainingConfig
from cluster.training_worker import TrainingOutcome, TrainingPlan, TrainingWorker

Report = Callable[[EpochRecord], None]


class ResourceError(Exception):
    """There is not what the options ask for; the message says what is missing."""


@dataclass(frozen=True)
class WorkerResources:
    """What each worker has."""

    cpus: int
    on_gpu: bool


class TrainingEngine(Protocol):
    """Carries out trainings."""

    def resources(self, config: ClassifierTrainingConfig) -> WorkerResources:
        """What each worker will have. Raises `ResourceError` where that cannot be."""
        ...

    def run(self, plan: TrainingPlan, resources: WorkerResources, report: Report) -> TrainingOutcome:
        """Train to the end; `report` hears of each epoch."""
        ...

    def close(self) -> None:
        """Let go of everything that was started."""
        ...


class LocalTraining:
    """One worker, here and now."""

    def resources(self, config: ClassifierTrainingConfig) -> WorkerResources:
        """See `TrainingEngine`."""
        has_gpu = torch.cuda.is_available()
        if config.device == GPU and not has_gpu:
            raise ResourceError("--device gpu: this machine has no GPU that torch can use")
        on_gpu = has_gpu and config.device in (AUTO, GPU)
        return WorkerResources(config.cpus_per_worker or usable_cores(), on_gpu)

    def run(self, plan: TrainingPlan, resources: WorkerResources, report: Report) -> TrainingOutcome:
        """See `TrainingEngine`."""
        device = torch.device("cuda" if resources.on_gpu else "cpu")
        return TrainingWorker(plan, Alone(), 1, device=device, report=report)()

    def close(self) -> None:
        """Nothing to let go of."""


def make_training_engine(config: ClassifierTrainingConfig) -> TrainingEngine:
    """The engine that the options name; Ray is imported where it is asked for."""
    return MAKERS[config.engine](config)


def _ray(config: ClassifierTrainingConfig) -> TrainingEngine:
    engine: TrainingEngine = import_module("cluster.ray_training").RayTraining(config.address)
    return engine


MAKERS: Mapping[str, Callable[[ClassifierTrainingConfig], TrainingEngine]] = {
    RAY: _ray,
    LOCAL: lambda config: LocalTraining(),
}
