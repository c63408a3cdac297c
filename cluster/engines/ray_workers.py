"""Workers as Ray actors: the actor, the driver's handle of it, and what becomes of its tasks when it is lost.

Where tasks are short, a worker gets a batch of them at a time, which shares the cost of sending them: as many as it has
lately completed in the time that a batch may take. It stops there, and tasks that it has not begun go back.

A lost worker's batch in progress takes the blame (`WorkQueue.settle_lost`), but only if its machine is still there.
Where that is lost too, or had a preemption notice, all its tasks go back untouched. Which of the two it was is known
only after a while, because a machine's processes may end before the machine is missed; until then the tasks wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.engines.base import EngineError, OutcomeT, Resources, TaskT, Worker, WorkQueue
from cluster.engines.ray_cluster import ClusterWatch, FileCopies
from cluster.engines.task_guard import verdict_file, verdict_of
from cluster.engines.watchdog import Limit
from cluster.runs.logs import configure_worker_logging
from schemas.text import counted

MAX_FAILED_STARTS = 3
MAX_BATCH_TASKS = 128
NODE_LOSS_SECONDS = 3.0  # how long a machine whose processes have ended may take to be missed
INQUEST_SECONDS = 60.0  # how long its machine may take to tell why a process has died

logger = logging.getLogger("framemill")


class WorkerActor:
    """A worker in a process of its own."""

    def __init__(self) -> None:
        configure_worker_logging()

    def greet(self) -> tuple[str, int, str]:
        """The machine and the process that this is, and the file that would say why its watchdog has killed it."""
        return ray.get_runtime_context().get_node_id(), os.getpid(), verdict_file()

    def setup(self, worker_and_files: tuple[Worker[Any, Any], FileCopies]) -> None:
        """Load the networks."""
        self._worker, files = worker_and_files
        files.restore()
        self._worker.setup()

    def work(self, batch: list[Any], seconds: float) -> list[Any]:
        """Outcomes of a batch of tasks, in order; those that are not begun within `seconds` are left out."""
        started = time.monotonic()
        outcomes: list[Any] = []
        for task in batch:
            if outcomes and time.monotonic() > started + seconds:
                break
            outcomes.append(self._worker(task))
        return outcomes


@dataclass(eq=False)
class WorkerHandle(Generic[TaskT, OutcomeT]):
    """One worker and its batches of tasks, oldest first. `capacity`: how many tasks the next one may hold."""

    actor: Any
    greeting: Any  # references; None once they have been answered
    loading: Any
    started_at: float = field(default_factory=time.monotonic)
    node_id: str = ""
    process_id: int = 0
    verdict_file: str = ""
    on_hand: deque[tuple[Any, list[TaskT]]] = field(default_factory=deque)
    capacity: int = 1
    head_since: float = 0.0
    is_overdue: bool = False
    is_retiring: bool = False  # gets no more tasks
    error: RayError | None = None
    lost_at: float = 0.0
    inquest: Any = None  # a reference to its watchdog's verdict

    @classmethod
    def start(cls, worker_and_files: Any, placement: dict[str, int]) -> WorkerHandle[TaskT, OutcomeT]:
        """A new worker, from a reference to what `WorkerActor.setup` takes; `placement` are options of Ray's."""
        actor = ray.remote(WorkerActor).options(max_restarts=0, **placement).remote()
        return cls(actor, actor.greet.remote(), actor.setup.remote(worker_and_files))

    @property
    def is_ready(self) -> bool:
        """Whether its networks are loaded."""
        return self.greeting is None and self.loading is None

    @property
    def references(self) -> list[Any]:
        """Those whose answers are still to come."""
        if self.is_ready:
            return [reference for reference, _ in self.on_hand]
        return [self.greeting or self.loading]

    @property
    def tasks(self) -> list[TaskT]:
        """Those on hand, oldest first."""
        return [task for _, batch in self.on_hand for task in batch]

    def give(self, batch: list[TaskT], seconds: float) -> None:
        """Have it carry out more tasks, as many as it can begin in `seconds`."""
        if not self.on_hand:
            self.head_since = time.monotonic()
        self.on_hand.append((self.actor.work.remote(batch, seconds), batch))

    def collect(self, ready: set[Any]) -> tuple[list[OutcomeT], list[TaskT]]:
        """The outcomes that have come in, and the tasks of their batches that it did not begin."""
        if self.greeting in ready:
            self.node_id, self.process_id, self.verdict_file = ray.get(self.greeting)
            self.greeting = None
        elif self.loading in ready:
            ray.get(self.loading)
            self.loading = None
        outcomes: list[OutcomeT] = []
        left: list[TaskT] = []
        ready = self._with_first(ready)
        while self.on_hand and self.on_hand[0][0] in ready:
            reference, batch = self.on_hand[0]
            try:
                done = ray.get(reference)
            except RayError:
                if not outcomes:
                    raise
                break  # raised again by the next call, once these are taken
            outcomes += done
            left += batch[len(done) :]
            self.on_hand.popleft()
            self.capacity = len(done) if len(done) < len(batch) else min(2 * len(done), MAX_BATCH_TASKS)
            self.head_since = time.monotonic()
        return outcomes, left

    def _with_first(self, ready: set[Any]) -> set[Any]:
        """The answers, with that of the first batch where only the second was told of.

        Ray tells of as many answers as it is asked for, in no order: of the second again and again. Batches are worked
        on in order, so that the second is over before the first only where the worker has died: that is raised here.
        """
        if len(self.on_hand) < 2 or self.on_hand[0][0] in ready or self.on_hand[1][0] not in ready:
            return ready
        first, second = self.on_hand[0][0], self.on_hand[1][0]
        if not ray.wait([first], timeout=0)[0]:
            ray.get(second)
            return ready
        return {*ready, first}

    def kill(self) -> None:
        """End the process, by force if need be."""
        ray.kill(self.actor)
        if self.process_id:
            # Ray asks the process to end itself, which one that is stuck may not do.
            self._there(_kill).remote(self.node_id, self.process_id)

    def inquire(self) -> bool:
        """Find out for which limit its watchdog has killed it, if it has; whether that is over."""
        if self.inquest is None and self.node_id:
            self.inquest = self._there(verdict_of).remote(self.verdict_file)
        return self.inquest is None or bool(ray.wait([self.inquest], timeout=0)[0])

    @property
    def exceeded(self) -> Limit | None:
        """What `inquire` has found out by now."""
        if self.is_overdue:
            return Limit.TIME
        try:
            limit: Limit | None = ray.get(self.inquest, timeout=0) if self.inquest else None
        except RayError:
            return None
        return limit

    def _there(self, function: Callable[..., Any]) -> Any:
        """A function that runs on its machine, or on another one where that has gone."""
        there = NodeAffinitySchedulingStrategy(self.node_id, soft=True)
        return ray.remote(function).options(num_cpus=0, scheduling_strategy=there)


def _kill(node_id: str, process_id: int) -> None:
    """End a process of the machine `node_id`, if this is it, and if the process is still a worker."""
    if ray.get_runtime_context().get_node_id() == node_id:
        with contextlib.suppress(OSError):
            # Ray names its processes after their actors. One that has ended may have left its number to another.
            if Path(f"/proc/{process_id}/cmdline").read_bytes().startswith(b"ray::WorkerActor"):
                os.kill(process_id, signal.SIGKILL)


class LostWorkers(Generic[TaskT, OutcomeT]):
    """Lost workers, until it is known why they were lost."""

    def __init__(self, watch: ClusterWatch, queue: WorkQueue[TaskT, OutcomeT], resources: Resources) -> None:
        self._watch = watch
        self._queue = queue
        self._resources = resources
        self._workers: list[WorkerHandle[TaskT, OutcomeT]] = []
        self._failed_starts = 0

    def add(self, worker: WorkerHandle[TaskT, OutcomeT], error: RayError | None = None) -> None:
        """Take a lost worker; without an error, its machine is lost."""
        worker.error, worker.lost_at = error, time.monotonic()
        self._workers.append(worker)

    def note_start(self) -> None:
        """A worker has started, so that earlier ones which could not do not count any more."""
        self._failed_starts = 0

    def settle(self) -> list[OutcomeT]:
        """Hand in the tasks of workers whose fate is known by now; returns the outcomes that are final with that.

        Raises `EngineError` where no worker can start.
        """
        undecided: list[WorkerHandle[TaskT, OutcomeT]] = []
        outcomes: list[OutcomeT] = []
        for worker in self._workers:
            is_blamed = self._is_blamed(worker)
            if is_blamed is None:
                undecided.append(worker)
            else:
                outcomes += self._settle_lost(worker, is_blamed)
        self._workers = undecided
        return outcomes

    def close(self) -> None:
        """Stop those that are still alive."""
        for worker in self._workers:
            ray.kill(worker.actor)

    def _is_blamed(self, worker: WorkerHandle[TaskT, OutcomeT]) -> bool | None:
        """Whether the worker itself is to blame, or its machine; None while that is open."""
        if worker.is_overdue:
            return True
        if worker.error is None or (worker.node_id and self._watch.is_leaving(worker.node_id)):
            return False
        if isinstance(worker.error, ActorUnavailableError):
            self._probe(worker)
            return None
        is_explained, lost_seconds = worker.inquire(), time.monotonic() - worker.lost_at
        if lost_seconds < (NODE_LOSS_SECONDS if is_explained else INQUEST_SECONDS):
            return None
        # The machine of one that never greeted is not known.
        return bool(worker.node_id) or not any(when >= worker.started_at for when in self._watch.gone.values())

    def _probe(self, worker: WorkerHandle[TaskT, OutcomeT]) -> None:
        """Find out what became of an unreachable worker: the cluster knows later than its connections."""
        if worker.greeting is None:
            worker.greeting = worker.actor.greet.remote()
        if not ray.wait([worker.greeting], timeout=0)[0]:
            return
        try:
            ray.get(worker.greeting)
        except ActorDiedError as error:
            worker.error, worker.lost_at = error, time.monotonic()
        except ActorUnavailableError:
            worker.greeting = None
        else:  # it is alive, but tasks or outcomes in transit are lost
            worker.kill()
            worker.error = None

    def _settle_lost(self, worker: WorkerHandle[TaskT, OutcomeT], is_blamed: bool) -> list[OutcomeT]:
        tasks = worker.tasks
        in_progress = worker.on_hand[0][1] if is_blamed and worker.on_hand else []
        place = (
            f"process {worker.process_id} on machine {worker.node_id[:8]}"
            if worker.node_id
            else "one that was starting"
        )
        exceeded = worker.exceeded if is_blamed else None
        died = f"a task has exceeded its limit of {exceeded}" if exceeded else "it died"
        reason = died if is_blamed else "the machine has gone"
        logger.warning(f"a worker is lost ({place}): {reason}; {counted(len(tasks), 'task')} left to others")
        ray.kill(worker.actor)  # one that could not load its networks is still alive
        self._queue.workers_lost += 1
        if worker.node_id and not is_blamed:
            self._queue.nodes_lost.add(worker.node_id)
        if is_blamed and not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise EngineError(f"{self._failed_starts} workers in a row could not start: {worker.error}")
        self._queue.give_back(tasks[len(in_progress) :])
        return self._queue.settle_lost(in_progress, self._resources.loss(str(worker.error), exceeded))
