"""A Ray cluster: joining or starting it, its machines as they come and go, and where on them workers have room."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

# Not public, but Ray's own libraries use it: there is no other access to preemption notices.
from ray._private.state import state as ray_state

from cluster.engines.base import Resources, usable_cores
from cluster.runs.logs import leaving_out
from cluster.storage.files import write_bytes

ROOT = str(Path(__file__).resolve().parents[2])
# Of a cluster that is started here: three chunks of 32 frames a worker, each frame at most 598 × 598 pixels.
STORE_BYTES_PER_CPU = 128 << 20
MAX_STORE_BYTES = 8 << 30  # beyond it, Ray refuses to start where /dev/shm is smaller
LOOK_EVERY_SECONDS = 1.0
# How long OpenMP's threads spin while they wait for each other. Where they sleep at once, a training step of the dense
# classifiers takes half as long again on two free cores; where they spin for long, many times as long on busy ones.
SPIN_COUNT = "1000"
NOTICES = {
    # A token protects the cluster, which Ray sees to by itself.
    "ray._private.authentication.authentication_token_setup": "Token authentication is enabled",
    # Jobs handle SIGTERM themselves (`cluster.runs.lifecycle`); an engine may start in another thread.
    "ray._private.worker": "SIGTERM handler is not set",
}


@dataclass(frozen=True)
class ClusterSize:
    """How many machines, CPU cores and GPUs."""

    nodes: int
    cpus: int
    gpus: int


def join_cluster(address: str | None) -> bool:
    """Connect to the cluster at `address` or `RAY_ADDRESS`, or start one here. Returns whether one was started."""
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    # Workers on this machine must import these packages wherever the driver imports them from; in a submitted job,
    # --working-dir does the same on every machine.
    variables = {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": SPIN_COUNT}
    if "RAY_JOB_ID" not in os.environ:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    if address:
        with _without_notices():
            ray.init(address=address, runtime_env={"env_vars": variables}, logging_level="warning")
        return False
    # All processes of our own cluster inherit the variables, those that Ray starts beforehand too.
    with _environment(variables), _without_notices():
        # `local`: without it, Ray joins whatever cluster was started on this machine last.
        store_bytes = _object_store_bytes()
        ray.init("local", include_dashboard=False, object_store_memory=store_bytes, logging_level="warning")
    return True


class Connection:
    """A connection to the cluster at `address`, or to one that is started here: `has_started`.

    Closing it ends our processes in the cluster, and the cluster if it was started here, unless this process was
    connected before.
    """

    def __init__(self, address: str | None) -> None:
        self._was_there = ray.is_initialized()
        self.has_started = join_cluster(address)

    def close(self) -> None:
        """Disconnect."""
        if not self._was_there:
            ray.shutdown()


def _object_store_bytes() -> int:
    """Room for frames in transit to embedders, and no more than a third of the memory."""
    needed = (usable_cores() + 2) * STORE_BYTES_PER_CPU
    return min(needed, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 3, MAX_STORE_BYTES)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name)
            os.environ.update({name: before[name]} if name in before else {})


@contextmanager
def _without_notices() -> Iterator[None]:
    """Leave out Ray's warnings that nobody need act on (`NOTICES`)."""
    filters = [(logging.getLogger(name), leaving_out(text)) for name, text in NOTICES.items()]
    for source, is_news in filters:
        source.addFilter(is_news)
    try:
        yield
    finally:
        for source, is_news in filters:
            source.removeFilter(is_news)


class ClusterWatch:
    """The machines of a cluster as they come and go.

    gone      ids of machines that have left since the start, and when that was noticed
    draining  ids of machines that have received a preemption notice
    """

    def __init__(self) -> None:
        self.gone: dict[str, float] = {}
        self.draining: frozenset[str] = frozenset()
        self._alive: dict[str, dict[str, float]] = {}
        self._looked_at = 0.0
        self.look()

    def look(self) -> bool:
        """Update the machines, unless that was done within the last second; returns whether it was done."""
        now = time.monotonic()
        if now < self._looked_at + LOOK_EVERY_SECONDS:
            return False
        self._looked_at = now
        alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        self.gone |= dict.fromkeys(self._alive.keys() - alive.keys(), now)
        self._alive = alive
        self.draining = frozenset(ray_state.get_draining_nodes())
        return True

    def is_leaving(self, node_id: str) -> bool:
        """Whether a machine has left or is draining."""
        return node_id not in self._alive or node_id in self.draining

    @property
    def size(self) -> ClusterSize:
        """The machines that stay."""
        staying = [resources for node_id, resources in self._alive.items() if node_id not in self.draining]
        cpus, gpus = (int(sum(resources.get(kind, 0) for resources in staying)) for kind in ("CPU", "GPU"))
        return ClusterSize(len(staying), cpus, gpus)


class Places:
    """Where workers that take `resources` go: GPUs where they ask for them and the cluster has any, or else cores."""

    def __init__(self, resources: Resources, embedder_cpus: int, *, on_gpus: bool) -> None:
        self._on_gpus = on_gpus and resources.gpus > 0
        self._each = resources.gpus if self._on_gpus else resources.cpus
        self._embedder_cpus = embedder_cpus

    @property
    def name(self) -> str:
        """What a worker waits for."""
        return "GPU" if self._on_gpus else "CPU core"

    @property
    def placement(self) -> dict[str, int]:
        """The options of an actor."""
        return {"num_gpus": self._each, "num_cpus": 0} if self._on_gpus else {"num_cpus": self._each}

    def exist_in(self, size: ClusterSize) -> bool:
        """Whether a cluster of that size has any, beside the embedders' cores."""
        return self.count(size) > 0

    def count(self, size: ClusterSize) -> int:
        """How many workers a cluster of that size holds, if nobody else uses it."""
        return max(size.gpus if self._on_gpus else size.cpus - self._embedder_cpus, 0) // self._each


def cluster_size() -> ClusterSize:
    """The cluster as it is now."""
    return ClusterWatch().size


@dataclass(frozen=True)
class FileCopies:
    """Files of the driver's machine (weights), for machines that lack them.

    `contents` maps each absolute path to a reference to its bytes; a worker writes them to the same path.
    """

    contents: dict[str, Any]

    @classmethod
    def of(cls, paths: list[str], *, needed: bool) -> FileCopies:
        """Copies of the files at `paths`, and of those in folders among them; none where they are not `needed`."""
        files = [file for path in paths for file in _files_of(Path(path))] if needed else []
        return cls({str(file): ray.put(file.read_bytes()) for file in files})

    def restore(self) -> None:
        """Write those files that this machine does not have."""
        for path, reference in self.contents.items():
            if not os.path.exists(path):
                write_bytes(path, ray.get(reference))


def _files_of(path: Path) -> list[Path]:
    path = path.absolute()
    return sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
