"""Engines: where tasks are carried out. All of them give the same outcomes, to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cluster.engines.tasks import Outcome, TaskQueue
from cluster.engines.worker import Worker
from schemas.records import Machine


@dataclass(frozen=True)
class EngineConfig:
    """How much of the machine an engine uses.

    workers             processes that decode, and embed where that is together; None: one for each CPU
    embed_workers       processes that only embed, where that is apart; None: one for each GPU, or one
    pools               together, apart, or auto: apart where there are GPUs
    time_limit_seconds  how long one segment may take; a worker that does not stop by itself is killed
    wait_seconds        how long a cluster may be without any CPU core before the run gives up
    address             of a Ray cluster; None: `RAY_ADDRESS`, a cluster on this machine, or a new one
    staging             where Beam's workers leave outcomes: a folder or URI that all can reach
    beam_options        NAME=VALUE of Beam's pipeline options
    """

    workers: int | None = None
    embed_workers: int | None = None
    pools: str = "auto"
    time_limit_seconds: float = 900.0
    wait_seconds: float = 600.0
    address: str | None = None
    staging: str = "staging"
    beam_options: tuple[str, ...] = ()


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
