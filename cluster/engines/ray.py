"""The Ray engine: workers on a cluster, each an actor, their networks beside them or in a pool of their own.

Together (no GPU): each worker decodes and embeds, single-threaded, one a core. Apart: workers on CPU cores decode and
send their frames to a pool of embedders on GPUs, which fills its batches across videos
(`cluster.engines.network_pool`). The worker is the same; only where its networks are differs. A worker that asks for a
GPU gets one of its own where the cluster has any.

Each worker has two batches of tasks, so that it never waits for the driver, which holds nothing but tasks in flight.
Unless their number is given, there are as many workers as the cluster has room for, and they follow it: a machine that
is added gets its own; workers of a machine that has received a preemption notice finish what they have and get no more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from typing import Any, Generic

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError
from typing_extensions import override

from cluster.engines.base import ONE_CORE, Engine, EngineError, OutcomeT, Resources, TaskT, Worker, WorkQueue
from cluster.engines.network_pool import EmbedderPool
from cluster.engines.options import EngineOptions
from cluster.engines.ray_cluster import ClusterWatch, FileCopies, Places, cluster_size, join_cluster
from cluster.engines.ray_workers import LostWorkers, WorkerHandle
from schemas.records import Machine
from schemas.text import counted

BATCHES_ON_HAND = 2
BATCH_SECONDS = 1.0
BATCHES_PER_SECOND = 200  # that the driver can handle; where there are more workers than that, batches last longer
POLL_SECONDS = 1.0
WARN_SECONDS = 60.0
LATE_SECONDS = 5.0  # until a batch has reached its worker, and its watchdog has had its time

logger = logging.getLogger("framemill")


class RayEngine(Engine):
    """Runs tasks on a Ray cluster; starts one on this machine where there is none."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._started_cluster = join_cluster(options.address)

    @override
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        size = cluster_size()
        return Machine(engine="ray", nodes=size.nodes, cpus=size.cpus, gpus=size.gpus)

    @override
    def close(self) -> None:
        if self._started_cluster:
            ray.shutdown()

    def file_copies(self, worker: Worker[Any, Any]) -> FileCopies:
        """Files for machines that join; a cluster that was started here has this machine alone."""
        return FileCopies.of(worker.files(), needed=not self._started_cluster)

    @override
    def run(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
        files = self.file_copies(worker)
        embedders: EmbedderPool | None = None
        gpus = cluster_size().gpus
        if worker.networks and (self._options.pools == "apart" or (self._options.pools == "auto" and gpus)):
            count = self._options.embed_workers or max(gpus, 1)
            self._check_room(0 if gpus else count, worker.resources.cpus)
            embedders = EmbedderPool(worker.networks, files, count)
            worker = worker.with_networks(embedders.proxies)
        run = RayRun(self._options, queue, worker, files, embedders.cpus if embedders else 0)
        try:
            yield from run.outcomes()
        finally:
            run.close()
            if embedders is not None:
                embedders.close()

    def _check_room(self, embedder_cpus: int, worker_cpus: int) -> None:
        """Raise `EngineError` where embedders leave no core to a worker, on a cluster that does not grow."""
        cpus = cluster_size().cpus
        if self._started_cluster and embedder_cpus and embedder_cpus + worker_cpus > cpus:
            raise EngineError(
                f"{counted(embedder_cpus, 'embedder')} (--embed-workers) on a core each and one worker need "
                f"{embedder_cpus + worker_cpus} CPU cores, and there are {cpus} here; --pools together needs fewer"
            )


class RayRun(Generic[TaskT, OutcomeT]):
    """The workers of one run."""

    def __init__(
        self,
        options: EngineOptions,
        queue: WorkQueue[TaskT, OutcomeT],
        worker: Worker[TaskT, OutcomeT],
        files: FileCopies,
        embedder_cpus: int = 0,
    ) -> None:
        self._options = options
        self._queue = queue
        self._worker_and_files = ray.put((worker, files))
        self._watch = ClusterWatch()
        self._places = Places(worker.resources, embedder_cpus, on_gpus=self._watch.size.gpus > 0)
        self._resources = worker.resources
        self._lost = LostWorkers(self._watch, queue, worker.resources)
        self.workers: list[WorkerHandle[TaskT, OutcomeT]] = []
        self._idle_since = time.monotonic()  # since when no worker has been ready
        self._has_warned = False

    def outcomes(self) -> Generator[OutcomeT, None, None]:
        """The final outcomes, as they come, until the queue is over."""
        self._follow_cluster()
        while not self._queue.is_over:
            if self._watch.look():
                self._follow_cluster()
                self._check_idleness()
            self._hand_out()
            self._kill_overdue()
            yield from self._collect(self._wait())
            yield from self._lost.settle()

    def close(self) -> None:
        """Stop the workers."""
        for worker in self.workers:
            ray.kill(worker.actor)
        self._lost.close()

    @property
    def _batch_seconds(self) -> float:
        """How long a worker may begin tasks of one batch."""
        return max(BATCH_SECONDS, len(self.workers) / BATCHES_PER_SECOND)

    def _follow_cluster(self) -> None:
        """Let go of workers whose machines are lost or draining; start as many as there is room and work for."""
        for worker in list(self.workers):
            if not worker.node_id or not self._watch.is_leaving(worker.node_id):
                continue
            if worker.node_id in self._watch.draining:
                self._queue.nodes_lost.add(worker.node_id)
                self._retire(worker)
            else:
                self.workers.remove(worker)
                self._lost.add(worker)
        staying = [worker for worker in self.workers if not worker.is_retiring]
        available = self._options.workers or max(1, self._places.count(self._watch.size))
        wanted = self._queue.useful_workers(available)
        self.workers += [
            WorkerHandle.start(self._worker_and_files, self._places.placement) for _ in range(wanted - len(staying))
        ]
        surplus = sorted(staying, key=lambda worker: (worker.is_ready, len(worker.on_hand)))
        for worker in surplus[: max(len(staying) - wanted, 0)]:
            self._dismiss(worker)

    def _retire(self, worker: WorkerHandle[TaskT, OutcomeT]) -> None:
        if not worker.is_retiring:
            worker.is_retiring = True
            logger.warning(f"machine {worker.node_id[:8]} received a preemption notice: its workers get no more tasks")
        if not worker.on_hand:
            self.workers.remove(worker)
            ray.kill(worker.actor)

    def _dismiss(self, worker: WorkerHandle[TaskT, OutcomeT]) -> None:
        """Free a worker's core at once: a restarted embedder may need it before the worker can continue."""
        self._queue.give_back(worker.tasks)
        self.workers.remove(worker)
        ray.kill(worker.actor)

    def _check_idleness(self) -> None:
        """Warn when no worker is ready; give up where that lasts."""
        now = time.monotonic()
        if any(worker.is_ready for worker in self.workers):
            self._idle_since, self._has_warned = now, False
            return
        idle_seconds, wait_seconds = now - self._idle_since, self._options.cluster_wait
        is_busy = self._places.exist_in(self._watch.size)
        place, reason = self._places.name, "all are in use" if is_busy else "there is none"
        if idle_seconds > wait_seconds and (self._resources.gives_up_if_busy or not is_busy):
            raise EngineError(
                f"no worker for {idle_seconds:.0f} s (--cluster-wait): the cluster has no free {place}, {reason}; "
                "what is committed stays: run again once there is room"
            )
        if not self._has_warned and idle_seconds > min(WARN_SECONDS, wait_seconds / 2):
            self._has_warned = True
            logger.warning(f"no worker for {idle_seconds:.0f} s: waiting for a free {place} in the cluster; {reason}")

    def _hand_out(self) -> None:
        for depth in range(BATCHES_ON_HAND):
            for worker in self.workers:
                if worker.is_ready and not worker.is_retiring and len(worker.on_hand) == depth:
                    batch = self._queue.take_batch(worker.capacity)
                    if not batch:
                        return
                    worker.give(batch, self._batch_seconds)

    def _kill_overdue(self) -> None:
        """Kill workers that are stuck for longer than their watchdog (`engines.task_guard`) would have allowed."""
        limit_seconds = self._resources.time_limit_seconds
        if limit_seconds is None:
            return
        allowed_seconds = self._batch_seconds + limit_seconds + LATE_SECONDS
        for worker in self.workers:
            if worker.on_hand and not worker.is_overdue and time.monotonic() > worker.head_since + allowed_seconds:
                worker.is_overdue = True
                worker.kill()

    def _wait(self) -> set[Any]:
        references = [reference for worker in self.workers for reference in worker.references]
        if not references:
            time.sleep(0.05)  # all remaining tasks wait for their next attempt
            return set()
        ready, rest = ray.wait(references, timeout=POLL_SECONDS, fetch_local=False)
        if rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False)[0]
        return set(ready)

    def _collect(self, ready: set[Any]) -> list[OutcomeT]:
        """The final outcomes among those that have come in."""
        final: list[OutcomeT | None] = []
        for worker in list(self.workers):
            was_ready = worker.is_ready
            try:
                outcomes, left = worker.collect(ready)
            except RayError as error:
                # Where a machine runs out of memory, Ray ends the worker that takes most of it.
                if was_ready and not isinstance(error, RayActorError | OutOfMemoryError):
                    raise EngineError(
                        f"a worker failed, through no fault of its input: {error}\n"
                        "What is committed stays: fix this and run again"
                    ) from error
                self.workers.remove(worker)
                self._lost.add(worker, error)
                continue
            final += [self._queue.settle(outcome) for outcome in outcomes]
            self._queue.give_back(left)
            if worker.is_ready and not was_ready:
                self._lost.note_start()
            if worker.is_retiring and not worker.on_hand:
                self.workers.remove(worker)
                ray.kill(worker.actor)
        return [outcome for outcome in final if outcome is not None]


def make_engine(options: EngineOptions, staging: str) -> RayEngine:
    """The Ray engine; it needs no staging."""
    return RayEngine(options)
