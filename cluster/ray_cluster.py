"""Joining or starting a Ray cluster, and what it has."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from cluster.storage import write_bytes

ROOT = str(Path(__file__).resolve().parent.parent)


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
    # Workers on this machine must import these packages however the driver came by them; in a submitted job,
    # --working-dir does the same on every machine.
    runtime_env: dict[str, Any] = {"env_vars": {"OMP_NUM_THREADS": "1"}}
    if "RAY_JOB_ID" not in os.environ:
        runtime_env["env_vars"]["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    options: dict[str, Any] = {"runtime_env": runtime_env, "logging_level": "warning", "log_to_driver": True}
    if address:
        ray.init(address=address, **options)
        return False
    ray.init(include_dashboard=False, **options)
    return True


def cluster_size() -> ClusterSize:
    """What the cluster has now."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    total = ray.cluster_resources()
    return ClusterSize(len(alive), int(total.get("CPU", 0)), int(total.get("GPU", 0)))


def node_is_alive(node_id: str, patience_seconds: float = 0.0) -> bool:
    """Whether the machine `node_id` is still part of the cluster; its loss takes a moment to be noticed."""
    deadline = time.monotonic() + patience_seconds
    while True:
        alive = any(node["Alive"] and node["NodeID"] == node_id for node in ray.nodes())
        if not alive or time.monotonic() >= deadline:
            return alive
        time.sleep(0.2)


@dataclass(frozen=True)
class FileCopies:
    """Files of the driver's machine (weights), carried to machines that lack them.

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
