"""Decoding in processes of its own, ahead of whoever wants the clips, in the order in which they are wanted.

In: tasks. Out: for each a clip, uint8 (T, H, W, 3), or the `VideoError` that says why there is none.

No video can do harm: a process that a decoder takes with it, or that does not answer, is replaced, and its video tried
once more. Processes and not threads: a thread that hangs or crashes cannot be got rid of. They end with this one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait

import numpy as np
from numpy.typing import NDArray

from cluster.clips.decoder import ClipTask
from schemas.outcomes import FailureCode, VideoError

TASKS_AT_ONCE = 2  # of a process: one in work, one that waits for it
AHEAD = 4  # so many clips for each process are decoded or being decoded, and not yet taken
ATTEMPTS = 2
PATIENCE = 3.0  # times the limit: by then a decoder that can be stopped from within has been
POLL_SECONDS = 1.0

Outcome = NDArray[np.uint8] | VideoError


@dataclass(frozen=True, slots=True)
class _Asked:
    """A task by its place among all."""

    place: int
    task: ClipTask
    attempt: int = 1


@dataclass
class _Process:
    """One that decodes, and what it has been asked for, in order; `since` is when it got to the first."""

    process: subprocess.Popen[bytes]
    connection: Connection
    asked: deque[_Asked] = field(default_factory=deque)
    since: float = 0.0

    def ask(self, asked: _Asked) -> None:
        """Send a task."""
        if not self.asked:
            self.since = time.monotonic()
        self.asked.append(asked)
        with suppress(OSError):  # it has ended, which shows when its answer is waited for
            self.connection.send(asked.task)

    def answer(self) -> tuple[_Asked, Outcome]:
        """The next outcome. Raises `OSError` or `EOFError` where the process has ended."""
        head = self.connection.recv()
        outcome: Outcome = head
        if not isinstance(head, VideoError):
            outcome = np.empty(head, np.uint8)
            self.connection.recv_bytes_into(outcome.data.cast("B"))
        self.since = time.monotonic()
        return self.asked.popleft(), outcome

    @property
    def is_overdue(self) -> bool:
        """Whether it takes so long that it will not stop by itself."""
        return bool(self.asked) and time.monotonic() - self.since > PATIENCE * self.asked[0].task.time_seconds

    def end(self) -> None:
        """Be rid of it."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


class ClipDecoders:
    """`count` processes; they start when first needed, and serve one caller of `decode` after the other."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: list[_Process] = []
        self._is_busy = False

    def decode(self, tasks: Iterable[ClipTask]) -> Generator[Outcome, None, None]:
        """The outcome of each task, in their order. Raises `RuntimeError` while another caller is being served."""
        if self._is_busy:
            raise RuntimeError("these decoders are at work for another caller, whose answers would be mixed up")
        self._is_busy = True
        while len(self._processes) < self._count:
            self._processes.append(_start())
        fresh = (_Asked(place, task) for place, task in enumerate(tasks))
        again: deque[_Asked] = deque()
        found: dict[int, Outcome] = {}
        asked = taken = 0
        try:
            while True:
                while (process := self._with_room()) and (again or asked - taken < AHEAD * self._count):
                    one = again.popleft() if again else next(fresh, None)
                    if one is None:
                        break
                    asked = max(asked, one.place + 1)
                    process.ask(one)
                if taken in found:
                    yield found.pop(taken)
                    taken += 1
                elif any(process.asked for process in self._processes):
                    self._collect(found, again)
                else:
                    return
        finally:
            while any(process.asked for process in self._processes):  # where nobody wants the rest
                self._collect(found, again)
            self._is_busy = False

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.end()
        self._processes.clear()

    def _with_room(self) -> _Process | None:
        """The process that has least to do, where any has room for more."""
        process = min(self._processes, key=lambda process: len(process.asked))
        return process if len(process.asked) < TASKS_AT_ONCE else None

    def _collect(self, found: dict[int, Outcome], again: deque[_Asked]) -> None:
        """Wait for outcomes: `found`, by their places, or tasks that are to be tried `again`."""
        busy = {process.connection: process for process in self._processes if process.asked}
        for connection in wait(list(busy), POLL_SECONDS):
            assert isinstance(connection, Connection)
            process = busy[connection]
            try:
                asked, outcome = process.answer()
            except (EOFError, OSError):
                self._replace(process, FailureCode.WORKER_DIED, found, again)
                continue
            if isinstance(outcome, VideoError) and asked.task.steady is not None:
                again.append(_second(asked))
            else:
                found[asked.place] = outcome
        for process in self._processes:
            if process.is_overdue:
                self._replace(process, FailureCode.TIME_LIMIT, found, again)

    def _replace(self, process: _Process, code: FailureCode, found: dict[int, Outcome], again: deque[_Asked]) -> None:
        """Have another process for one that its first task has cost."""
        process.end()
        self._processes[self._processes.index(process)] = _start()
        guilty = process.asked.popleft()
        again.extend(process.asked)
        if guilty.attempt < ATTEMPTS:
            again.append(_second(guilty))
        else:
            message = f"{ATTEMPTS} decoders in a row {WHAT_ENDED[code]}: the file is damaged, bring another copy of it"
            found[guilty.place] = VideoError(code, message)


WHAT_ENDED = {
    FailureCode.WORKER_DIED: "crashed on it",
    FailureCode.TIME_LIMIT: "did not come to an end with it (--time-limit)",
}


def _second(asked: _Asked) -> _Asked:
    """Another attempt at a task, with nothing random in it."""
    task = replace(asked.task, sampling=asked.task.steady or asked.task.sampling, steady=None)
    return _Asked(asked.place, task, asked.attempt + 1)


def _start() -> _Process:
    ours, theirs = socket.socketpair()
    path = os.pathsep.join(filter(None, sys.path))
    # One thread each: they are as many as is good already. And no GPU, on which they would take room.
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - this program, with a number
            [sys.executable, "-m", "cluster.clips.decoder", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    return _Process(process, Connection(ours.detach()))
