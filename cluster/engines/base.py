"""What every engine offers, and what it asks of the work that it carries out.

An engine takes tasks from a `WorkQueue`, has a `Worker` carry them out, in one process or many, and yields the final
outcomes. It knows neither kind of work, videos (`tasks`, `video_worker`) or portions of features (`portion_queue`), and
all engines give the same outcomes, to the bit.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cluster.engines.stage import Network
from cluster.engines.watchdog import Limit
from schemas.records import Machine


class Keyed(Protocol):
    """A task, as far as engines know it."""

    @property
    def key(self) -> str:
        """Names the task within its run, whatever the attempt."""
        ...


TaskT = TypeVar("TaskT", bound=Keyed)
OutcomeT = TypeVar("OutcomeT")


class EngineError(Exception):
    """The engine cannot continue, through no fault of any one input; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one worker takes.

    cpus                CPU cores
    gpus                GPUs in place of the cores, where the cluster has any
    shares_process      whether several threads of a process may call one worker at the same time
    time_limit_seconds  of one task; a worker that takes longer is killed. None: no limit
    memory_limit_bytes  of one task, beside what the worker holds; likewise
    gives_up_if_busy    whether the run also ends where others have held all cores (or GPUs) for too long, and not
                        only where the cluster has had none
    """

    cpus: int = 1
    gpus: int = 0
    shares_process: bool = False
    time_limit_seconds: float | None = None
    memory_limit_bytes: int | None = None
    gives_up_if_busy: bool = False

    def loss(self, error: str, exceeded: Limit | None) -> WorkerLoss:
        """The loss of a worker, which was killed for this limit if for any."""
        return WorkerLoss(
            error,
            exceeded_seconds=self.time_limit_seconds if exceeded is Limit.TIME else None,
            exceeded_bytes=self.memory_limit_bytes if exceeded is Limit.MEMORY else None,
        )


ONE_CORE = Resources()


class Worker(ABC, Generic[TaskT, OutcomeT]):
    """Carries out tasks. Cheap to make and to pickle; `setup` loads its networks, once per process."""

    @property
    @abstractmethod
    def resources(self) -> Resources:
        """What it takes."""

    @property
    @abstractmethod
    def outcome_type(self) -> Any:
        """The type of its outcomes, for engines that write them to files (`cluster.engines.wire`)."""

    @property
    def networks(self) -> Mapping[str, Network]:
        """Those of its networks that an engine may run in a pool of their own, by name."""
        return {}

    def with_networks(self, networks: Mapping[str, Network]) -> Worker[TaskT, OutcomeT]:
        """The same worker with other networks in their place, by the same names."""
        return self

    def files(self) -> list[str]:
        """Paths of the files that `setup` reads."""
        return [path for network in self.networks.values() for path in network.files()]

    @abstractmethod
    def setup(self) -> None:
        """Load the networks."""

    @abstractmethod
    def __call__(self, task: TaskT) -> OutcomeT:
        """Carry out a task. A bad input is an outcome; an exception ends the run."""


@dataclass(frozen=True)
class WorkerLoss:
    """How a worker was lost that died, or was killed, over its tasks.

    error                             what the engine knows of it
    exceeded_seconds, exceeded_bytes  the limit of a task for which it was killed, if one was the reason
    """

    error: str
    exceeded_seconds: float | None = None
    exceeded_bytes: int | None = None


class WorkQueue(ABC, Generic[TaskT, OutcomeT]):
    """Tasks to carry out, and what follows from their outcomes.

    workers_lost  how many workers the engine has lost so far
    nodes_lost    ids of the machines that it has lost
    retried       videos that had more than one attempt, by their ids, or portions by their keys
    """

    def __init__(self) -> None:
        self.workers_lost = 0
        self.nodes_lost: set[str] = set()
        self.retried: set[str] = set()

    @property
    @abstractmethod
    def queue_of(self) -> Callable[[TaskT], WorkQueue[TaskT, OutcomeT]]:
        """Makes a queue of one task, with the same rules: for workers that retry it themselves. It can be pickled."""

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether nothing is left to do and nothing is in flight."""

    @abstractmethod
    def useful_workers(self, available: int) -> int:
        """How many of `available` workers there is work for."""

    @abstractmethod
    def take_batch(self, limit: int) -> list[TaskT]:
        """The next tasks for one worker, at most `limit`; empty where there are none right now."""

    @abstractmethod
    def give_back(self, tasks: Sequence[TaskT]) -> None:
        """Return tasks that were not carried out, through no fault of their own."""

    @abstractmethod
    def settle(self, outcome: OutcomeT) -> OutcomeT | None:
        """Take an outcome; returns it if it is final, None if its task will be retried or is no longer needed."""

    @abstractmethod
    def settle_lost(self, tasks: Sequence[TaskT], loss: WorkerLoss) -> list[OutcomeT]:
        """Take the batch of tasks that a lost worker was at; returns the outcomes that are final with that.

        Raises `EngineError` where the run cannot continue.
        """


class Engine(ABC):
    """Carries out the tasks of a queue."""

    def begin(self, imports: Sequence[str]) -> None:  # noqa: B027 - most engines have nothing that takes long
        """Begin what takes long before the first task of a worker that needs these modules, without waiting for it."""

    def started(self) -> Engine:
        """This engine, started, as most are when they are made; a run asks for it before it touches anything."""
        return self

    @property
    def on_gpus(self) -> bool | None:
        """Whether networks are on GPUs; None while only a cluster knows that the engine has not joined yet."""
        return self.machine().gpus > 0

    @abstractmethod
    def machine(self, resources: Resources = ONE_CORE) -> Machine:
        """The machines that it has for workers which take `resources`; none before it has started."""

    @abstractmethod
    def run(
        self, queue: WorkQueue[TaskT, OutcomeT], worker: Worker[TaskT, OutcomeT]
    ) -> Generator[OutcomeT, None, None]:
        """Yield each task's final outcome, in any order, until the queue is over.

        Raises `EngineError` where the run cannot continue.
        """

    @abstractmethod
    def close(self) -> None:
        """Release everything that it has started."""


CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds in every so many, or `max`


def usable_cores() -> int:
    """CPU cores that this process is bound to, and no more than a container's limit, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _limit() or cores)


def _limit() -> int | None:
    try:
        granted, _, period = CPU_LIMIT.read_text().partition(" ")
        return max(-(-int(granted) // int(period)), 1)
    except (OSError, ValueError, ZeroDivisionError):
        return None
