"""Real Ray clusters of several nodes on one machine, whose nodes can be lost as machines are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

STORE_BYTES = 80 << 20


class Nodes:
    """A cluster whose head does no work, and nodes of one core each."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.address: str = cluster.address

    def add(self, cpus: int = 1) -> Any:
        """Another node, as soon as the cluster knows it."""
        return self._cluster.add_node(num_cpus=cpus, object_store_memory=STORE_BYTES)

    def kill(self, node: Any) -> None:
        """Lose a node as one loses a machine without power: nothing on it gets to say a word."""
        raylet = self.raylet(node)
        os.kill(raylet, signal.SIGSTOP)
        for process in descendants(raylet):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        os.kill(raylet, signal.SIGKILL)

    def terminate(self, node: Any) -> None:
        """Have a node end in an orderly way, as machines do that are switched off."""
        os.kill(self.raylet(node), signal.SIGTERM)

    def announce_preemption(self, node: Any, deadline_seconds: int) -> None:
        """Tell the cluster that a node will be taken away."""
        ray = str(Path(sys.executable).with_name("ray"))
        command = [ray, "drain-node", "--address", self.address, "--node-id", node.node_id]
        command += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot machine is taken back"]
        subprocess.run([*command, "--deadline-remaining-seconds", str(deadline_seconds)], check=True)

    def processes(self, node: Any, name: str) -> list[int]:
        """Processes of actors on a node whose class is `name`."""
        return [process for process in descendants(self.raylet(node)) if f"ray::{name}" in command_of(process)]

    @staticmethod
    def raylet(node: Any) -> int:
        """The process that is a node's own."""
        (process,) = node.all_processes["raylet"]
        pid: int = process.process.pid
        return pid


@contextmanager
def running_cluster() -> Iterator[Nodes]:
    """A cluster that has a head and nothing else yet."""
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield Nodes(cluster)
    finally:
        cluster.shutdown()


def descendants(process: int) -> list[int]:
    """All processes below one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [process]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def command_of(process: int) -> str:
    """A process's command line; empty once it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
