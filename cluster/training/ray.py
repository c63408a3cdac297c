"""The Ray training engine: one worker or many, on an existing cluster or one that is started here.

Workers are processes with equal shares of the videos. Their gradients are averaged in every step (DDP: gloo between
CPUs, NCCL between GPUs), and their metrics are merged after every epoch. A lost worker ends the others, and all restart
from the last state (`cluster.training.states`). Ray Train itself handles preempted machines; any other failure of a
worker is examined here first: an error in the data would recur, so it ends the training, whereas the number of lost
workers is limited only between two epochs.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray.exceptions import RayError
from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig, TrainingFailedError, get_context
from ray.train.torch import get_device
from ray.train.v2._internal.exceptions import RayTrainError
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import override

from classifiers.training.workers import SingleWorker, Workers
from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import Connection, cluster_size
from cluster.engines.ray_trainer import LeanTrainer
from cluster.runs.logs import configure_worker_logging
from cluster.training.base import Report, ResourceError, Show, TrainingEngine, WorkerResources
from cluster.training.option_groups import CPU, GPU, TrainingEngineOptions
from cluster.training.progress import StageProgress
from cluster.training.worker import TrainingOutcome, TrainingPlan, TrainingWorker
from schemas.trainings import Epoch

# Ray Train's settings in the environment: how often to check for ended workers; no watcher for preemption in a cluster
# of this machine only.
SETTINGS = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5"}
SETTINGS_OF_OWN_CLUSTER = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
MAX_LOSSES = 3  # of workers, without a finished epoch in between
POLL_SECONDS = 0.5
REASON_CHARACTERS = 200
# Failures that a restart may cure: a lost worker, or a lost connection to another one.
RETRIABLE = (RayError, RayTrainError, RuntimeError, OSError)

logger = logging.getLogger("framemill")


class ProcessGroup:
    """The `Workers` of a training, as torch's process group; values are gathered on CPUs, whatever gradients use."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self._world = dist.get_world_size()
        self._group = dist.new_group(backend="gloo")

    def gather(self, value: Any) -> list[Any]:
        """The values of all workers, by rank."""
        values: list[Any] = [None] * self._world
        dist.all_gather_object(values, value, group=self._group)
        return values

    def share_buffers(self, model: nn.Module) -> None:
        """Broadcast the buffers of the first worker's model."""
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


class RayTraining(TrainingEngine):
    """Training on the Ray cluster of a connection, with which it closes."""

    def __init__(self, cluster: Connection) -> None:
        self._cluster = cluster
        for name, value in {**SETTINGS, **(SETTINGS_OF_OWN_CLUSTER if cluster.has_started else {})}.items():
            os.environ.setdefault(name, value)

    @override
    def resources(self, options: TrainingEngineOptions) -> WorkerResources:
        size = cluster_size()
        if options.device == GPU and size.gpus < options.workers:
            raise ResourceError(f"--device gpu: {options.workers} workers need a GPU each, the cluster has {size.gpus}")
        on_gpu = options.device != CPU and size.gpus >= options.workers
        # Divide a machine's cores among its workers.
        nodes = max(size.nodes, 1)
        cpus = options.cpus_per_worker or max(size.cpus // nodes // -(-options.workers // nodes), 1)
        if self._cluster.has_started and cpus * options.workers > size.cpus:
            raise ResourceError(
                f"{options.workers} workers of {cpus} CPU cores each need {cpus * options.workers}, this machine has "
                f"{size.cpus}: give fewer --workers or --cpus-per-worker"
            )
        return WorkerResources(cpus, on_gpu)

    @override
    def run(
        self, plan: TrainingPlan, resources: WorkerResources, report: Report, show: Show | None = None
    ) -> TrainingOutcome:
        # A machine of the cluster may be lost, but not this one.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        news: Queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        attempts = _Attempts(plan, resources, news, is_shown=show is not None, is_alone=self._cluster.has_started)

        def hand_on(packed: bytes) -> None:
            found: Epoch | StageProgress = pickle.loads(packed)  # noqa: S301 - from our own workers
            if isinstance(found, Epoch):
                attempts.losses = 0
                report(found)
            elif show is not None:
                show(found)

        try:
            while attempts.is_alive():
                try:
                    hand_on(news.get(timeout=POLL_SECONDS))
                except Empty:
                    continue
            while not news.empty():
                hand_on(news.get())
        except RayError as error:
            raise EngineError(f"the process that passes on the workers' news is lost: {error}") from error
        finally:
            attempts.must_stop = True
            news.shutdown(force=True)
        return attempts.outcome()

    @override
    def close(self) -> None:
        self._cluster.close()


class _Attempts(threading.Thread):
    """Attempts to train until one succeeds or fails for good; a thread, so that the main one can be interrupted."""

    def __init__(
        self, plan: TrainingPlan, resources: WorkerResources, news: Queue, *, is_shown: bool, is_alone: bool
    ) -> None:
        super().__init__(name="training", daemon=True)
        self.losses = 0
        self.must_stop = False
        self._workers, self._resources = plan.settings.options.engine.workers, resources
        self._news, self._is_shown, self._is_alone = news, is_shown, is_alone
        self._plan = ray.put(plan)
        self._outcome: TrainingOutcome | None = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Retry while workers were lost."""
        with TemporaryDirectory(prefix="framemill-") as folder:
            while self._outcome is None and self._error is None and not self.must_stop:
                try:
                    self._outcome = self._trainer(folder).fit().return_value
                except TrainingFailedError as error:
                    self._error = self._reason_to_stop(error)
                except BaseException as error:  # re-raised in the waiting thread
                    self._error = error

    def outcome(self) -> TrainingOutcome:
        """The outcome, once the thread has ended. Raises the error that ended it."""
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def _trainer(self, folder: str) -> LeanTrainer:
        resources = self._resources
        return LeanTrainer(
            _work,
            is_alone=self._is_alone,
            train_loop_config={"plan": self._plan, "news": self._news, "is_shown": self._is_shown},
            scaling_config=ScalingConfig(
                num_workers=self._workers,
                use_gpu=resources.on_gpu,
                resources_per_worker={"CPU": resources.cpus, **({"GPU": 1} if resources.on_gpu else {})},
            ),
            run_config=RunConfig(
                storage_path=folder,
                failure_config=FailureConfig(max_failures=0),
                logging_config=LoggingConfig(log_level="CRITICAL"),
            ),
        )

    def _reason_to_stop(self, error: TrainingFailedError) -> BaseException | None:
        """The error that makes another attempt useless; None to retry."""
        failures = list(getattr(error, "worker_failures", {}).values())
        for failure in failures:
            # Ray Train may wrap our exception.
            raised: BaseException = getattr(failure, "_base_exc", failure)
            if not isinstance(raised, RETRIABLE):
                return raised
        self.losses += 1
        if self.losses > MAX_LOSSES:
            return EngineError(f"workers were lost {self.losses} times without a finished epoch in between: {error}")
        reason = min((f"{failure}".strip().rpartition("\n")[2] for failure in failures or [error]), key=len)
        logger.warning(f"workers were lost and restart from the last epoch: {reason[:REASON_CHARACTERS]}")
        return None


def _work(given: dict[str, Any]) -> TrainingOutcome | None:
    """The main function of each worker."""
    configure_worker_logging()
    plan: TrainingPlan = ray.get(given["plan"])
    news: Queue = given["news"]
    context = get_context()
    world = context.get_world_size()
    device: torch.device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    workers: Workers = ProcessGroup() if world > 1 else SingleWorker()

    def wrap(model: nn.Module) -> nn.Module:
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)

    def tell(found: Epoch | StageProgress) -> None:
        news.put(pickle.dumps(found))  # the queue's process need not import what it is

    worker = TrainingWorker(
        plan,
        workers,
        world,
        device=device,
        wrap=wrap if world > 1 else None,
        report=tell,
        show=tell if given["is_shown"] else None,
    )
    outcome = worker()
    return outcome if context.get_world_rank() == 0 else None


def make_engine(options: TrainingEngineOptions, cluster: Connection | None = None) -> RayTraining:
    """The engine on the cluster that the options name, which may have started."""
    return RayTraining(cluster or Connection(options.address))
