"""The process that watches a guarded one from outside, whatever that one's interpreter is at.

    guarded process ── limits of a task, later its end ──► watchdog
                    ◄── which limit it has exceeded ──────

A task that exceeds a limit gets `grace_seconds` to stop by itself; then its process is killed. So it is at once where
its memory exceeds the ceiling. The reason is left in a file, for whoever supervises the process.

This is a program of its own (`python watchdog.py PROCESS FILE`), which imports little: it starts in a few milliseconds.
Both sides write lines: `Limits` to begin a task, its number alone to end it, and a number with a `Limit` in return.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from enum import StrEnum
from typing import NamedTuple

POLL_SECONDS = 0.02
IDLE_SECONDS = 10.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STATM_BYTES = 200
READ_BYTES = 1 << 16


class Limit(StrEnum):
    """What a task has exceeded."""

    TIME = "time"
    MEMORY = "memory"


class Limits(NamedTuple):
    """Limits of a task.

    number         of the task, within its process
    deadline       by the monotonic clock of the machine
    memory_bytes   of the whole process
    ceiling_bytes  of the whole process, beyond which there is no grace
    """

    number: int
    deadline: float
    memory_bytes: int
    ceiling_bytes: int
    grace_seconds: float


class Memory:
    """Counters of the memory of a process, kept open: they are read fifty times a second."""

    def __init__(self, process: int) -> None:
        self._file = os.open(f"/proc/{process}/statm", os.O_RDONLY | os.O_CLOEXEC)

    def private_bytes(self) -> int:
        """Resident memory that the process does not share."""
        _, resident, shared, *_ = os.pread(self._file, STATM_BYTES, 0).split()
        return (int(resident) - int(shared)) * PAGE_BYTES


class Watchdog:
    """Watches the tasks of `process`, which is its parent."""

    def __init__(self, process: int, verdict_file: str) -> None:
        self._process = process
        self._verdict_file = verdict_file
        self._memory = Memory(process)
        self._tasks: dict[int, Limits] = {}
        self._graces: dict[int, tuple[Limit, float]] = {}  # what a task has exceeded, and the end of its grace
        self._unread = b""

    def run(self) -> None:
        """Watch until the process is gone."""
        while os.getppid() == self._process:
            if select.select([0], [], [], POLL_SECONDS if self._tasks else IDLE_SECONDS)[0] and not self._listen():
                return
            for limits in self._tasks.values():
                self._check(limits)

    def _listen(self) -> bool:
        """Take what the process says; False once it has gone."""
        received = os.read(0, READ_BYTES)
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            number, *limits = line.split()
            if limits:
                deadline, memory, ceiling, grace = map(float, limits)
                self._tasks[int(number)] = Limits(int(number), deadline, int(memory), int(ceiling), grace)
            else:
                self._tasks.pop(int(number), None)
                self._graces.pop(int(number), None)
        return bool(received)

    def _check(self, limits: Limits) -> None:
        now, memory_bytes = time.monotonic(), self._memory.private_bytes()
        if limits.number not in self._graces:
            if memory_bytes > limits.memory_bytes:
                exceeded = Limit.MEMORY
            elif now > limits.deadline:
                exceeded = Limit.TIME
            else:
                return
            self._graces[limits.number] = exceeded, now + limits.grace_seconds
            os.write(1, f"{limits.number} {exceeded}\n".encode())
        exceeded, end = self._graces[limits.number]
        if memory_bytes > limits.ceiling_bytes:
            self._kill(Limit.MEMORY)
        elif now > end:
            self._kill(exceeded)

    def _kill(self, exceeded: Limit) -> None:
        with contextlib.suppress(OSError):
            file = os.open(self._verdict_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            os.write(file, exceeded.encode())
            os.close(file)
        if os.getppid() == self._process:
            os.kill(self._process, signal.SIGKILL)


def command(process: int, verdict_file: str) -> list[str]:
    """The command that has this process, which runs it, watched."""
    return [sys.executable, "-I", "-S", __file__, str(process), verdict_file]  # without site-packages, quick to start


def main() -> None:
    """Watch the process of the first argument; the second is the file for its verdict."""
    with contextlib.suppress(OSError):  # the process has gone
        Watchdog(int(sys.argv[1]), sys.argv[2]).run()


if __name__ == "__main__":
    main()
