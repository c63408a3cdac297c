"""The content of a lease's file: the run that holds the lease, and the files that it may be changing.

In: a run of this process, or the bytes of a `lease.json`, of this release or of schema version 1. Out: a `Holder`.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from schemas import strict_json

SCHEMA_VERSION = 2
# What the files of version 1 lack.
SINCE_VERSION_1 = {"changing": [], "is_released": False, "schema_version": SCHEMA_VERSION}


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A run that holds a lease.

    host, pid         for messages
    machine, process  identify the process, across reboots and reused process ids
    token             drawn for each attempt to acquire
    renewals          how often the lease was renewed
    predecessors      runs that died while they held the lease, in order
    changing          files, relative to the folder of the lease, that this run or a predecessor may be about to change
    is_released       whether the run has given the lease up; its file stays in stores that cannot remove it safely
    """

    run_id: str
    token: str
    host: str
    pid: int
    machine: str
    process: str
    renewals: int = 0
    predecessors: tuple[str, ...] = ()
    changing: tuple[str, ...] = ()
    is_released: bool = False
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def of_this_process(cls, run_id: str) -> Holder:
        """A new attempt of this process to hold a lease."""
        return cls(
            run_id=run_id,
            token=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            machine=_machine(),
            process=_process(os.getpid()),
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Holder:
        """Read what `to_bytes` wrote. Raises `ValueError` for anything else."""
        text = content.decode()
        found = json.loads(text)
        if isinstance(found, dict) and found.get("schema_version") == 1:
            text = json.dumps(found | SINCE_VERSION_1)
        return strict_json.load(cls, text, "lease", schema_version=SCHEMA_VERSION)

    def to_bytes(self) -> bytes:
        """The holder as JSON."""
        return strict_json.dump(self).encode()

    def is_on_machine_of(self, other: Holder) -> bool:
        """Whether both processes are on the same machine, as far as that is known."""
        return bool(self.machine) and self.machine == other.machine

    def is_running(self) -> bool:
        """Whether the process, which is of this machine, has not ended; a suspended one has not."""
        return bool(self.process) and _process(self.pid) == self.process


def _machine() -> str:
    """Boot id of this machine and its pid namespace; empty where they are unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _process(pid: int) -> str:
    """Process id and start time, which identify a process even if its id is reused; empty for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, started = fields[0], fields[19]
    return "" if state in "ZX" else f"{pid} {started}"
