"""What a worker of a Beam pipeline does with a bundle of tasks. It needs nothing of Beam itself.

    task ─► child process ─► outcome ─► rules of the queue ─┬► final: to the staging folder, in batches
                                                            ├► retried, at once or after a while
                                                            ├► remaining segments: back to the pipeline
                                                            └► the next segment of a chain: carried out here, at once

A chain (`Task.is_chained`) is not handed on: in between, the pipeline would hold the states of all long videos.

The rules are those of the driver's queue, applied where the task was carried out: each task has a queue of its own.
All outcomes are written before the bundle ends, so that the driver finds them before it finds what they lead to.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from cluster.engines.base import EngineError, WorkerLoss
from cluster.engines.beam_config import BundleConfig
from cluster.engines.beam_staging import has_driver, write_outcomes
from cluster.engines.pickled_file import PickledFile
from cluster.engines.task_process import TaskProcess
from cluster.engines.wire import pack

WRITE_SECONDS = (1.0, 8.0)  # until the first batch of outcomes is written; between two, once a bundle has lasted
WRITE_BYTES = 16 << 20
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class OutcomeBatch:
    """What a worker leaves for the driver.

    keys, outcomes  of tasks; each outcome is packed (`cluster.engines.wire`)
    workers_lost    child processes that tasks have cost
    retried         as the queue counts it
    error           why the run cannot continue; empty where it can
    """

    keys: tuple[str, ...] = ()
    outcomes: tuple[bytes, ...] = ()
    workers_lost: int = 0
    retried: tuple[str, ...] = ()
    error: str = ""


class NoDriverError(Exception):
    """Nobody waits for outcomes any more."""


class Bundle:
    """Carries out tasks one after the other; returns those that follow from them, for other workers.

    Where the run cannot continue, or has lost its driver, the remaining tasks are dropped.
    """

    def __init__(self, config: BundleConfig) -> None:
        self._config = config
        self._process = _take_process(config)
        self._queues: dict[str, Any] = {}  # of tasks without a final outcome, by their keys
        self._polled_at = self._written_at = time.monotonic()
        self._write_seconds = WRITE_SECONDS[0]
        self._unwritten: dict[str, bytes] = {}
        self._unwritten_bytes = 0
        self._workers_lost = 0
        self._retried: set[str] = set()
        self._is_stopped = not has_driver(config.staging_uri)

    def add(self, task: Any) -> list[Any]:
        """Carry out a task, and earlier ones whose next attempt is due."""
        if self._is_stopped:
            return []
        earlier = list(self._queues) if time.monotonic() > self._polled_at + POLL_SECONDS else []
        self._queues[task.key] = self._config.queue_of(task)
        return self._carry_out([*earlier, task.key])

    def finish(self) -> list[Any]:
        """Carry out the tasks that wait for another attempt, and write the outcomes that are not written yet."""
        follow_ups: list[Any] = []
        while self._queues:
            follow_ups += self._carry_out(list(self._queues))
            time.sleep(POLL_SECONDS if self._queues else 0)
        if not self._is_stopped:
            self._write()
        _give_back(self._config, self._process)
        return follow_ups

    def _carry_out(self, keys: list[str]) -> list[Any]:
        """Make those attempts at tasks that are due."""
        follow_ups: list[Any] = []
        try:
            for key in keys:
                chained: str | None = key
                while chained is not None:
                    others, chained = self._attempt(chained)
                    follow_ups += others
                    self._look_up()
        except NoDriverError:
            self._stop()
        except EngineError as error:
            self._stop()
            self._write(str(error))
        self._polled_at = time.monotonic()
        return follow_ups

    def _attempt(self, key: str) -> tuple[list[Any], str | None]:
        """Tasks that follow for other workers, and the key of one that is next here."""
        queue = self._queues[key]
        follow_ups: list[Any] = []
        chained: str | None = None
        while batch := queue.take_batch(1):
            (task,) = batch
            if task.key != key:
                if task.is_chained:  # only videos have tasks that follow
                    chained = task.key
                    self._queues[chained] = self._config.queue_of(task)
                else:
                    follow_ups.append(task)
                continue
            for outcome in self._settle(queue, task):
                self._unwritten[key] = pack(outcome)
                self._unwritten_bytes += len(self._unwritten[key])
                self._retried |= queue.retried
                del self._queues[key]
        return follow_ups, chained

    def _settle(self, queue: Any, task: Any) -> list[Any]:
        """The task's outcome, if it is final, with what follows from it: the driver's queue will take that, too."""
        outcome = self._process.carry_out(task, self._look_up)
        if isinstance(outcome, WorkerLoss):
            self._workers_lost += 1
            return list(queue.settle_lost([task], outcome))
        return [] if queue.settle(outcome) is None else [outcome]

    def _look_up(self) -> None:
        """From time to time: see whether there is still a driver, and write what it waits for."""
        is_due = time.monotonic() > self._written_at + self._write_seconds
        if is_due or self._unwritten_bytes > WRITE_BYTES:
            if not has_driver(self._config.staging_uri):
                raise NoDriverError
            self._write()
            self._write_seconds = min(2 * self._write_seconds, WRITE_SECONDS[1])

    def _write(self, error: str = "") -> None:
        if self._unwritten or self._workers_lost or error:
            batch = OutcomeBatch(
                tuple(self._unwritten),
                tuple(self._unwritten.values()),
                self._workers_lost,
                tuple(self._retried),
                error,
            )
            write_outcomes(self._config.staging_uri, pack(batch))
        self._unwritten, self._unwritten_bytes, self._workers_lost, self._retried = {}, 0, 0, set()
        self._written_at = time.monotonic()

    def _stop(self) -> None:
        self._is_stopped = True
        self._queues.clear()


_idle: defaultdict[PickledFile, list[TaskProcess]] = defaultdict(list)  # between two bundles: a start takes long
_idle_lock = threading.Lock()


def _take_process(config: BundleConfig) -> TaskProcess:
    with _idle_lock:
        for worker in _idle.keys() - {config.worker}:  # of runs that are over
            for process in _idle.pop(worker):
                process.close()
        if idle := _idle[config.worker]:
            return idle.pop()
    return TaskProcess(config.worker, config.resources, config.outcome_type)


def _give_back(config: BundleConfig, process: TaskProcess) -> None:
    with _idle_lock:
        _idle[config.worker].append(process)
