"""Engines: where tasks are carried out. All of them give the same outcomes, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from cluster.tasks import Outcome, TaskQueue
from cluster.worker import Worker
from schemas.runs import Machine


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


# Modules that have a `make_engine(config)`; imported when asked for, because each brings a heavy library.
ENGINES = {"ray": "cluster.ray_engine", "local": "cluster.local_engine", "beam": "cluster.beam_engine"}


def make_engine(name: str, config: EngineConfig) -> Engine:
    """The engine of that name."""
    if name not in ENGINES:
        raise ValueError(f"no engine {name!r}; known are {', '.join(ENGINES)}")
    engine: Engine = import_module(ENGINES[name]).make_engine(config)
    return engine
