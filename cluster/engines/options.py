"""Options of the engines, shared by all jobs; one that a job does not offer keeps its default."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from cluster.runs.option import option
from cluster.runs.options import Options

RAY, LOCAL, BEAM = ENGINES = ("ray", "local", "beam")


def ray_or_local_option() -> Any:
    """The engine of a job that does not run on Beam."""
    return option(
        RAY, help="where the work runs: on a Ray cluster, or on this machine alone", choices=(RAY, LOCAL), common=True
    )


def time_limit_option(seconds: float, task: str, **rule: Any) -> Any:
    """The time limit of a `task`, such as a video; `rule` adds to its rule."""
    return option(
        seconds,
        help=f"seconds that one {task} may take; a worker that takes longer is killed",
        above=0,
        below=math.inf,
        **rule,
    )


def memory_limit_option(task: str, **rule: Any) -> Any:
    """The memory limit of a `task`, likewise."""
    return option(3072, help=f"MiB of memory that one {task} may take beside the networks", minimum=1, **rule)


@dataclass(frozen=True)
class EngineOptions(Options):
    """Where work runs, and how much of the machines it takes."""

    engine: str = option(
        RAY,
        help="where the work runs: on a Ray cluster, on this machine alone, or in Beam pipelines",
        choices=ENGINES,
        common=True,
    )
    workers: int | None = option(
        None, help="number of workers that decode; by default one for each CPU core", minimum=1, common=True
    )
    address: str | None = option(
        None, help="address of a Ray cluster; by default RAY_ADDRESS, or a new cluster on this machine", common=True
    )
    beam_options: tuple[str, ...] = option(
        (),
        help="Beam pipeline options as NAME=VALUE; by default those of its local runner",
        must_be="NAME=VALUE",
        accepts=lambda text: "=" in text,
    )
    pools: str = option(
        "auto",
        help="networks together with the decoders, or apart in workers of their own; auto: apart where there are GPUs",
        choices=("auto", "together", "apart"),
    )
    embed_workers: int | None = option(
        None, help="number of workers that embed with --pools apart; by default one for each GPU", minimum=1
    )
    time_limit: float = time_limit_option(900.0, "segment")
    memory_limit_mib: int = memory_limit_option("segment")
    cluster_wait: float = option(
        600.0,
        help="seconds that a Ray cluster may be without any CPU core before the run gives up",
        above=0,
        below=math.inf,
    )


def cluster_address(options: EngineOptions) -> str | None:
    """The address of the Ray cluster that is joined; None where one is started on this machine."""
    return options.address or os.environ.get("RAY_ADDRESS")
