"""Workers as Ray actors: what one does, what the driver knows of it, and what becomes of its tasks when it is lost.

Where videos are short, a worker gets a handful of tasks at a time, so that what it costs to send them is shared: as
many as it has lately got done in the time that a handful may take. It stops there, and what it has not begun goes back.

A lost worker takes the blame for the handful at its head, each of which then goes alone, and only if its machine is
still there: where that has gone, or was told that it would have to, all its tasks go back untouched. Which of the two
it was is known only after a while, because a machine's processes may end before the machine is missed; until then the
tasks wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.engines.base import EngineError
from cluster.engines.ray_cluster import ClusterWatch, FileCopies
from cluster.engines.tasks import Failed, Outcome, Task, TaskQueue
from cluster.engines.worker import Worker
from schemas.outcomes import FailureCode, Stage

MAX_FAILED_STARTS = 3
HANDFUL_TASKS = 128
NODE_LOSS_SECONDS = 3.0  # how long a machine whose processes have ended may take to be missed

logger = logging.getLogger("framemill")


class WorkerActor:
    """A `Worker` in a process of its own."""

    def greet(self) -> tuple[str, int]:
        """Which machine and which process this is."""
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def setup(self, worker_and_files: tuple[Worker[Any], FileCopies]) -> None:
        """Load the networks."""
        self._worker, files = worker_and_files
        files.restore()
        self._worker.setup()

    def work(self, handful: list[Task], seconds: float) -> list[Outcome]:
        """Carry out tasks, in order; those that are not begun within `seconds` are left out."""
        started = time.monotonic()
        outcomes: list[Outcome] = []
        for task in handful:
            if outcomes and time.monotonic() > started + seconds:
                break
            outcomes.append(self._worker(task))
        return outcomes


@dataclass(eq=False)
class Slot:
    """One worker and the handfuls of tasks it has, oldest first. `capacity`: how many tasks its next one may hold."""

    actor: Any
    greeting: Any  # references; None once they have been answered
    loading: Any
    started_at: float = field(default_factory=time.monotonic)
    node_id: str = ""
    process_id: int = 0
    on_hand: deque[tuple[Any, list[Task]]] = field(default_factory=deque)
    capacity: int = 1
    head_since: float = 0.0
    is_overdue: bool = False
    is_leaving: bool = False  # is given no more tasks
    error: RayError | None = None
    lost_at: float = 0.0

    @classmethod
    def start(cls, worker_and_files: Any) -> Slot:
        """A new worker, from a reference to what `WorkerActor.setup` takes."""
        actor = ray.remote(WorkerActor).options(num_cpus=1, max_restarts=0).remote()
        return cls(actor, actor.greet.remote(), actor.setup.remote(worker_and_files))

    @property
    def is_ready(self) -> bool:
        """Whether its networks are loaded."""
        return self.greeting is None and self.loading is None

    @property
    def references(self) -> list[Any]:
        """What is to be waited for."""
        if self.is_ready:
            return [reference for reference, _ in self.on_hand]
        return [self.greeting or self.loading]

    @property
    def tasks(self) -> list[Task]:
        """Those on hand, oldest first."""
        return [task for _, handful in self.on_hand for task in handful]

    def give(self, handful: list[Task], seconds: float) -> None:
        """Have it carry out more tasks, as many as it can begin in `seconds`."""
        if not self.on_hand:
            self.head_since = time.monotonic()
        self.on_hand.append((self.actor.work.remote(handful, seconds), handful))

    def collect(self, ready: set[Any]) -> tuple[list[Outcome], list[Task]]:
        """The outcomes that have come in, and the tasks that it did not get to."""
        if self.greeting in ready:
            self.node_id, self.process_id = ray.get(self.greeting)
            self.greeting = None
        elif self.loading in ready:
            ray.get(self.loading)
            self.loading = None
        outcomes: list[Outcome] = []
        left: list[Task] = []
        while self.on_hand and self.on_hand[0][0] in ready:
            reference, handful = self.on_hand[0]
            try:
                done = ray.get(reference)
            except RayActorError:
                if not outcomes:
                    raise
                break  # found again by the next call, once these are taken
            outcomes += done
            left += handful[len(done) :]
            self.on_hand.popleft()
            self.capacity = len(done) if len(done) < len(handful) else min(2 * len(done), HANDFUL_TASKS)
            self.head_since = time.monotonic()
        return outcomes, left

    def kill(self) -> None:
        """End the process, by force if need be."""
        ray.kill(self.actor)
        if self.process_id:
            # Ray asks the process to end itself, which one that is stuck may not do.
            there = NodeAffinitySchedulingStrategy(self.node_id, soft=True)
            ray.remote(_kill).options(num_cpus=0, scheduling_strategy=there).remote(self.node_id, self.process_id)


def _kill(node_id: str, process_id: int) -> None:
    """End a process of the machine `node_id`, if this is it."""
    if ray.get_runtime_context().get_node_id() == node_id:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)


class LostWorkers:
    """Workers that are lost, until it is known why."""

    def __init__(self, watch: ClusterWatch, queue: TaskQueue, time_limit_seconds: float) -> None:
        self._watch = watch
        self._queue = queue
        self._time_limit_seconds = time_limit_seconds
        self._slots: list[Slot] = []
        self._failed_starts = 0

    def add(self, slot: Slot, error: RayError | None = None) -> None:
        """Take a worker that is lost; without an error, its machine is."""
        slot.error, slot.lost_at = error, time.monotonic()
        self._slots.append(slot)

    def note_start(self) -> None:
        """A worker has started: those that could not before had bad luck."""
        self._failed_starts = 0

    def settle(self) -> list[Outcome]:
        """Give back the tasks of those whose fate is known by now; the outcomes of tasks that are final with it.

        Raises `EngineError` where no worker can start.
        """
        waiting, outcomes = [], []
        for slot in self._slots:
            is_blamed = self._is_blamed(slot)
            if is_blamed is None:
                waiting.append(slot)
            else:
                outcomes += self._settle_lost(slot, is_blamed)
        self._slots = waiting
        return outcomes

    def _is_blamed(self, slot: Slot) -> bool | None:
        """Whether the worker itself is to blame, or its machine; None while that is open."""
        if slot.is_overdue:
            return True
        if slot.error is None or (slot.node_id and self._watch.is_leaving(slot.node_id)):
            return False
        if isinstance(slot.error, ActorUnavailableError):
            self._ask_after(slot)
            return None
        if time.monotonic() < slot.lost_at + NODE_LOSS_SECONDS:
            return None
        # One that never greeted was on a machine that we do not know.
        return bool(slot.node_id) or not any(when >= slot.started_at for when in self._watch.gone.values())

    def _ask_after(self, slot: Slot) -> None:
        """Find out what became of a worker that could not be reached: the cluster knows later than its connections."""
        if slot.greeting is None:
            slot.greeting = slot.actor.greet.remote()
        if not ray.wait([slot.greeting], timeout=0)[0]:
            return
        try:
            ray.get(slot.greeting)
        except ActorDiedError as error:
            slot.error, slot.lost_at = error, time.monotonic()
        except ActorUnavailableError:
            slot.greeting = None
        else:  # it lives, but what it was told or has answered is lost
            slot.kill()
            slot.error = None

    def _settle_lost(self, slot: Slot, is_blamed: bool) -> list[Outcome]:
        tasks = slot.tasks
        suspects = slot.on_hand[0][1] if is_blamed and slot.on_hand else []
        place = f"process {slot.process_id} on machine {slot.node_id[:8]}" if slot.node_id else "one that was starting"
        reason = "the machine has gone" if not is_blamed else "it was stuck" if slot.is_overdue else "it died"
        logger.warning(f"a worker is lost ({place}): {reason}; {len(tasks)} tasks go to others")
        ray.kill(slot.actor)  # one that could not load its networks still lives
        self._queue.workers_lost += 1
        if slot.node_id and not is_blamed:
            self._queue.nodes_lost.add(slot.node_id)
        if is_blamed and not slot.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise EngineError(f"{self._failed_starts} workers in a row could not start: {slot.error}")
        settled = [self._queue.settle(self._blame(task, slot.is_overdue)) for task in suspects]
        self._queue.give_back(tasks[len(suspects) :])
        return [outcome for outcome in settled if outcome is not None]

    def _blame(self, task: Task, is_overdue: bool) -> Failed:
        if is_overdue:
            message = f"one segment of it took more than {self._time_limit_seconds:g} s (--time-limit)"
            return Failed(task, FailureCode.TIME_LIMIT, message, Stage.DECODE)
        message = "the process that decoded it died (a crash in the decoder, or out of memory)"
        return Failed(task, FailureCode.WORKER_DIED, message, Stage.DECODE)
