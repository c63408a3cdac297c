"""Training in this process: one worker, here and now."""

from __future__ import annotations

import torch

from classifiers.training.workers import SingleWorker
from cluster.engines.base import usable_cores
from cluster.training.base import Report, ResourceError, WorkerResources
from cluster.training.option_groups import AUTO, GPU, TrainingEngineOptions
from cluster.training.worker import TrainingOutcome, TrainingPlan, TrainingWorker


class LocalTraining:
    """One worker, here and now."""

    def resources(self, options: TrainingEngineOptions) -> WorkerResources:
        """See `TrainingEngine`."""
        has_gpu = torch.cuda.is_available()
        if options.device == GPU and not has_gpu:
            raise ResourceError("--device gpu: this machine has no GPU that torch can use")
        on_gpu = has_gpu and options.device in (AUTO, GPU)
        return WorkerResources(options.cpus_per_worker or usable_cores(), on_gpu)

    def run(self, plan: TrainingPlan, resources: WorkerResources, report: Report) -> TrainingOutcome:
        """See `TrainingEngine`."""
        device = torch.device("cuda" if resources.on_gpu else "cpu")
        return TrainingWorker(plan, SingleWorker(), 1, device=device, report=report)()

    def close(self) -> None:
        """Nothing to let go of."""


def make_engine(options: TrainingEngineOptions) -> LocalTraining:
    """An engine; there is nothing to configure."""
    return LocalTraining()
