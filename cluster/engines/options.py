"""Options of the engines, shared by all jobs; a job that does not offer one of them leaves it at its default."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.runs.options import Options, option

RAY, LOCAL, BEAM = ENGINES = ("ray", "local", "beam")


@dataclass(frozen=True)
class EngineOptions(Options):
    """Where work is carried out, and how much of the machines it takes.

    workers       processes that decode, and embed where that is together; None: one for each CPU
    pools         networks beside the decoders, or in a pool of their own; auto: apart where there are GPUs
    embed_workers processes that only embed, where that is apart; None: one for each GPU, or one
    address       of a Ray cluster; None: `RAY_ADDRESS`, a cluster on this machine, or a new one
    time_limit    seconds that one task may take; a worker that does not stop by itself is killed
    cluster_wait  seconds that a cluster may be without any CPU core before the run gives up
    """

    engine: str = option(RAY, help="what carries the work out", choices=ENGINES, common=True)
    workers: int | None = option(
        None, help="workers that decode; by default one for each CPU core", minimum=1, common=True
    )
    address: str | None = option(
        None, help="of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", common=True
    )
    beam_options: tuple[str, ...] = option(
        (),
        help="pipeline options as NAME=VALUE; by default Beam's local runner",
        must_be="NAME=VALUE",
        accepts=lambda text: "=" in text,
    )
    pools: str = option(
        "auto", help="networks beside the decoders, or apart on GPUs", choices=("auto", "together", "apart")
    )
    embed_workers: int | None = option(
        None, help="embedders when they are apart; by default one for each GPU", minimum=1
    )
    time_limit: float = option(900.0, help="seconds that one segment may take", above=0, below=math.inf)
    memory_limit_mib: int = option(3072, help="MiB that one segment may take beyond the networks", minimum=1)
    cluster_wait: float = option(
        600.0, help="seconds for which a Ray cluster may have no CPU core at all", above=0, below=math.inf
    )
