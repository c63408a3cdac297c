"""The Ray engine: workers that decode, spread over a cluster, and the networks beside them or in a pool of their own.

Together (no GPU): each worker decodes and embeds, single-threaded, one a core. Apart: workers on CPU cores decode and
send their frames to a pool of embedders on GPUs, which fills its batches across videos (`cluster.ray_embedders`). The
worker is the same; only where its networks are differs.

Each worker is an actor with two tasks on hand, so that it never waits for the driver, which holds nothing but tasks in
flight. A worker that dies or exceeds its time takes the blame for the task at its head alone; the other goes back
untouched, and so do both when the whole machine was lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.engines import EngineConfig, EngineError
from cluster.ray_cluster import FileCopies, cluster_size, join_cluster, node_is_alive
from cluster.ray_embedders import EmbedderPool
from cluster.tasks import Failed, Outcome, Task, TaskQueue
from cluster.worker import Worker
from schemas.outcomes import FailureCode
from schemas.runs import Machine

TASKS_ON_HAND = 2
POLL_SECONDS = 1.0
MAX_FAILED_SETUPS = 3
PATIENCE_SECONDS = 60.0
GUARD_SECONDS = 5.0
NODE_LOSS_SECONDS = 2.0  # how long the cluster takes to notice that a machine is gone

logger = logging.getLogger("framemill")


def _kill(node_id: str, process_id: int) -> None:
    """End a process of the machine `node_id`, if this is it."""
    if ray.get_runtime_context().get_node_id() == node_id:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)


class WorkerActor:
    """A `Worker` in a process of its own."""

    def __init__(self, worker: Worker, files: FileCopies) -> None:
        files.restore()
        worker.setup()
        self._worker = worker

    def greet(self) -> tuple[str, int]:
        """Which machine and which process this is; answers once the networks are loaded."""
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def work(self, task: Task) -> Outcome:
        """Carry out one task."""
        return self._worker(task)


@dataclass
class Slot:
    """One worker and the tasks it has on hand, oldest first."""

    actor: Any
    greeting: Any  # a reference that is ready once the worker is
    node_id: str = ""
    process_id: int = 0
    on_hand: deque[tuple[Any, Task]] = field(default_factory=deque)
    head_since: float = 0.0
    is_overdue: bool = False


class RayEngine:
    """Runs tasks on a Ray cluster; starts one on this machine where there is none."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._started_cluster = join_cluster(config.address)
        self._failed_setups = 0
        self._patient_until = time.monotonic() + PATIENCE_SECONDS
        self._has_warned = False

    def machine(self) -> Machine:
        """The cluster as it is now."""
        size = cluster_size()
        return Machine(engine="ray", nodes=size.nodes, cpus=size.cpus, gpus=size.gpus)

    def close(self) -> None:
        """Stop the cluster if it was started here."""
        if self._started_cluster:
            ray.shutdown()

    def run(self, queue: TaskQueue, worker: Worker) -> Iterator[Outcome]:
        """See `Engine.run`."""
        size = cluster_size()
        files = FileCopies.of(worker.files(), needed=size.nodes > 1)
        pool: EmbedderPool | None = None
        if self._config.pools == "apart" or (self._config.pools == "auto" and size.gpus):
            pool = EmbedderPool(worker.extractor, files, self._config.embed_workers or max(size.gpus, 1))
            worker = worker.with_extractor(pool.proxied(worker.extractor))
        count = self._config.workers or max(1, size.cpus - (pool.cpus if pool else 0))
        reference = ray.put((worker, files))
        slots = [self._start(reference) for _ in range(count)]
        try:
            while not queue.is_over:
                self._hand_out(queue, slots)
                self._kill_overdue(slots)
                ready = self._wait(slots)
                for number, slot in enumerate(slots):
                    outcomes, is_lost = self._collect(slot, ready, queue)
                    if is_lost:
                        slots[number] = self._start(reference)
                    yield from outcomes
        finally:
            for slot in slots:
                ray.kill(slot.actor)
            if pool is not None:
                pool.close()

    def _start(self, reference: Any) -> Slot:
        worker, files = ray.get(reference)
        actor = ray.remote(WorkerActor).options(num_cpus=1, max_restarts=0).remote(worker, files)
        return Slot(actor, actor.greet.remote())

    def _hand_out(self, queue: TaskQueue, slots: list[Slot]) -> None:
        for depth in range(TASKS_ON_HAND):
            for slot in slots:
                # One that has not greeted may be waiting for a core that never comes free.
                if len(slot.on_hand) != depth or not slot.node_id:
                    continue
                task = queue.take()
                if task is None:
                    return
                if depth == 0:
                    slot.head_since = time.monotonic()
                slot.on_hand.append((slot.actor.work.remote(task), task))

    def _kill_overdue(self, slots: list[Slot]) -> None:
        """End the workers that are stuck beyond what their own guard (`cluster.task_guard`) would have let pass."""
        patience_seconds = 2 * self._config.time_limit_seconds + GUARD_SECONDS
        for slot in slots:
            if slot.on_hand and not slot.is_overdue and time.monotonic() > slot.head_since + patience_seconds:
                slot.is_overdue = True
                ray.kill(slot.actor)
                # Ray asks the process to end itself, which one that is stuck may not do.
                there = NodeAffinitySchedulingStrategy(slot.node_id, soft=True)
                ray.remote(_kill).options(num_cpus=0, scheduling_strategy=there).remote(slot.node_id, slot.process_id)

    def _wait(self, slots: list[Slot]) -> set[Any]:
        if not self._has_warned and not any(slot.node_id for slot in slots) and time.monotonic() > self._patient_until:
            self._has_warned = True
            logger.warning("no worker has started yet: the cluster has no free CPU core (others may be using them)")
        references = [slot.greeting for slot in slots if not slot.node_id]
        references += [reference for slot in slots for reference, _ in slot.on_hand]
        if not references:
            time.sleep(0.05)  # all that is left waits for its next attempt
            return set()
        ready, rest = ray.wait(references, timeout=POLL_SECONDS, fetch_local=False)
        if rest:
            ready += ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False)[0]
        return set(ready)

    def _collect(self, slot: Slot, ready: set[Any], queue: TaskQueue) -> tuple[list[Outcome], bool]:
        """The final outcomes that `slot` has ready, and whether it is lost."""
        outcomes: list[Outcome | None] = []
        try:
            if slot.greeting in ready:
                slot.node_id, slot.process_id = ray.get(slot.greeting)
                self._failed_setups = 0
            while slot.on_hand and slot.on_hand[0][0] in ready:
                outcome = ray.get(slot.on_hand[0][0])
                slot.on_hand.popleft()
                slot.head_since = time.monotonic()
                outcomes.append(queue.settle(outcome))
        except RayActorError as error:
            outcomes += self._bury(slot, error, queue)
            return [outcome for outcome in outcomes if outcome is not None], True
        return [outcome for outcome in outcomes if outcome is not None], False

    def _bury(self, slot: Slot, error: RayActorError, queue: TaskQueue) -> list[Outcome | None]:
        """Settle what a lost worker had on hand."""
        if not slot.node_id:
            self._failed_setups += 1
            if self._failed_setups >= MAX_FAILED_SETUPS:
                raise EngineError(f"{self._failed_setups} workers in a row could not start: {error}") from error
        settled: list[Outcome | None] = []
        tasks = [task for _, task in slot.on_hand]
        is_blamed = slot.is_overdue or (slot.node_id and node_is_alive(slot.node_id, NODE_LOSS_SECONDS))
        if tasks and is_blamed:
            head = tasks.pop(0)
            limit = self._config.time_limit_seconds
            code, message = (
                (FailureCode.TIME_LIMIT, f"one segment of it took more than {limit:g} s (--time-limit)")
                if slot.is_overdue
                else (
                    FailureCode.WORKER_DIED,
                    "the process that decoded it died (a crash in the decoder, or out of memory)",
                )
            )
            settled.append(queue.settle(Failed(head, code, message, "decode")))
        for task in reversed(tasks):
            queue.give_back(task)
        return settled


def make_engine(config: EngineConfig) -> RayEngine:
    """See `cluster.engines`."""
    return RayEngine(config)
