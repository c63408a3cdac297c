"""Engines: where tasks are carried out. All of them give the same outcomes, to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cluster.engines.tasks import Outcome, TaskQueue
from cluster.engines.worker import Worker
from schemas.records import Machine


class EngineError(Exception):
    """The engine cannot go on, whatever the video; the message says why."""


class Engine(Protocol):
    """Carries out the tasks of a queue."""

    def machine(self) -> Machine:
        """What there is to work with."""
        ...

    def run(self, queue: TaskQueue, worker: Worker[Any]) -> Iterator[Outcome]:
        """Yield each task's final outcome, in any order, until the queue is over."""
        ...

    def close(self) -> None:
        """Let go of everything that was started."""
        ...


CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds in every so many, or `max`


def usable_cores() -> int:
    """Those that it is bound to, and no more than a container's limit, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _limit() or cores)


def _limit() -> int | None:
    try:
        granted, _, period = CPU_LIMIT.read_text().partition(" ")
        return max(-(-int(granted) // int(period)), 1)
    except (OSError, ValueError, ZeroDivisionError):
        return None
