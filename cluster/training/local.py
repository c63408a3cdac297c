"""The local training engine: one worker in this process."""

from __future__ import annotations

import torch
from typing_extensions import override

from classifiers.training.workers import SingleWorker
from cluster.engines.base import usable_cores
from cluster.training.base import Report, ResourceError, Show, TrainingEngine, WorkerResources
from cluster.training.option_groups import AUTO, GPU, TrainingEngineOptions
from cluster.training.worker import TrainingOutcome, TrainingPlan, TrainingWorker


class LocalTraining(TrainingEngine):
    """One worker in this process."""

    @override
    def resources(self, options: TrainingEngineOptions) -> WorkerResources:
        has_gpu = torch.cuda.is_available()
        if options.device == GPU and not has_gpu:
            raise ResourceError("--device gpu: this machine has no GPU that torch can use; give --device auto or cpu")
        on_gpu = has_gpu and options.device in (AUTO, GPU)
        return WorkerResources(options.cpus_per_worker or usable_cores(), on_gpu)

    @override
    def run(
        self, plan: TrainingPlan, resources: WorkerResources, report: Report, show: Show | None = None
    ) -> TrainingOutcome:
        device = torch.device("cuda" if resources.on_gpu else "cpu")
        return TrainingWorker(plan, SingleWorker(), 1, device=device, report=report, show=show)()

    @override
    def close(self) -> None:
        pass


def make_engine(options: TrainingEngineOptions, cluster: None = None) -> LocalTraining:
    """The engine, which has no options and no cluster."""
    return LocalTraining()
