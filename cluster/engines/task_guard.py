"""Limits on the memory and time of a task, enforced without losing the worker where possible.

A kernel limit would not do: FFmpeg's decoders take a failed allocation for damaged data and continue, and frames would
be missing silently. So another process watches the clock and the memory of this one (`cluster.engines.watchdog`).
Beyond a limit `LimitExceededError` is raised in the guarded thread, which receives it as soon as it is back in Python.
One that is not back within `GRACE_SECONDS`, or takes more than twice its memory, is lost: the watchdog kills its
process, though C code may hold the interpreter for ever. Then `verdict_of` tells the reason, and the engine replaces
the worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import subprocess
import tempfile
import threading
import time
from functools import cache
from itertools import count
from types import TracebackType
from typing import Self

from cluster.engines import watchdog
from cluster.engines.watchdog import Limit, Limits, Memory

GRACE_SECONDS = 1.5  # reads of buckets come back to Python once a second
GUARD_SECONDS = 2.0  # beyond its limit of time: by then a process has ended, unless its watchdog has as well
POLL_SECONDS = 0.02
RESTART_SECONDS = 0.5


class LimitExceededError(BaseException):
    """The guarded work exceeded a limit. Like an interrupt, this must not be caught as an error of the work."""


class MemoryExceededError(LimitExceededError):
    """Of memory."""


class TimeExceededError(LimitExceededError):
    """Of time."""


ERRORS = {Limit.TIME: TimeExceededError, Limit.MEMORY: MemoryExceededError}


class TaskGuard:
    """Guards the calling thread for the duration of the context.

    `limit_bytes` limits the memory beyond what the process holds at the start, `limit_seconds` the time.
    """

    def __init__(self, limit_bytes: int, limit_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self._is_over = False
        self._sent: type[LimitExceededError] | None = None

    def __enter__(self) -> Self:
        self._thread_id = threading.get_ident()
        self._watcher = _watcher_of(os.getpid())
        self._number = self._watcher.begin(self, self._limit_bytes, self._limit_seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._lock:
                self._is_over = True
            # An exception that was sent but has not arrived yet must not reach later code of this thread.
            while self._sent is not None and kind is not self._sent:
                time.sleep(POLL_SECONDS)
        finally:
            self._watcher.end(self._number)

    def stop(self, exceeded: Limit) -> None:
        """Raise the error in the guarded thread."""
        with self._lock:
            if not self._is_over and self._sent is None:
                self._sent = ERRORS[exceeded]
                thread_id = ctypes.c_ulong(self._thread_id)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(self._sent))


class _Watcher:
    """This process's end of its watchdog, which is started anew if it dies."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._memory = Memory(process)
        self._numbers = count()
        self._guards: dict[int, tuple[TaskGuard, bytes]] = {}  # with the lines that began them
        self._lock = threading.Lock()
        self._watchdog = self._start()
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self, guard: TaskGuard, limit_bytes: int, limit_seconds: float) -> int:
        """Have a task watched from now on; returns its number."""
        number, held_bytes = next(self._numbers), self._memory.private_bytes()
        deadline = time.monotonic() + limit_seconds
        limits = Limits(number, deadline, held_bytes + limit_bytes, held_bytes + 2 * limit_bytes, GRACE_SECONDS)
        line = " ".join(map(str, limits)).encode() + b"\n"
        with self._lock:
            self._guards[number] = guard, line
            self._tell(line)
        return number

    def end(self, number: int) -> None:
        """The task has ended."""
        with self._lock:
            del self._guards[number]
            self._tell(b"%d\n" % number)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - this program's own module
            watchdog.command(self._process, verdict_file()),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )

    def _tell(self, line: bytes) -> None:
        assert self._watchdog.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died: its successor will be told
            self._watchdog.stdin.write(line)

    def _listen(self) -> None:
        while True:
            assert self._watchdog.stdout is not None
            for line in self._watchdog.stdout:
                number, exceeded = line.decode().split()
                with self._lock:
                    guard, _ = self._guards.get(int(number), (None, b""))
                if guard is not None:
                    guard.stop(Limit(exceeded))
            self._watchdog.wait()
            time.sleep(RESTART_SECONDS)
            with self._lock:
                self._watchdog = self._start()
                for _, line in self._guards.values():
                    self._tell(line)


@cache
def _watcher_of(process: int) -> _Watcher:
    """That of this process: after a fork the child needs one of its own."""
    return _Watcher(process)


def verdict_file() -> str:
    """The file that says why this process was killed, if its watchdog does that."""
    return _verdict_file(os.getpid())


@cache
def _verdict_file(process: int) -> str:
    return os.path.join(tempfile.gettempdir(), f"framemill-verdict-{process}-{secrets.token_hex(8)}")


def verdict_of(file: str) -> Limit | None:
    """The limit for which the watchdog killed a process on this machine, by its `verdict_file`; it tells only once."""
    try:
        with open(file) as verdict:
            limit = Limit(verdict.read())
        os.remove(file)
    except (OSError, ValueError):
        return None
    return limit
