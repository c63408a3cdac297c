"""Limits on the memory and time of a task, enforced without losing the worker where possible.

A kernel limit would not do: FFmpeg's decoders take a failed allocation for damaged data and continue, and frames would
be missing silently. So a thread watches the clock and the memory of the process. Beyond a limit it raises
`LimitExceededError` in the guarded thread, which receives it as soon as it is back in Python. Beyond twice the limit it
ends the process, and the engine replaces the worker. A process that is stuck for longer is killed by the engine.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from functools import cache
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STATM_BYTES = 200
EXIT_CODE = 137  # as of a process that the kernel killed


class LimitExceededError(BaseException):
    """The guarded work exceeded a limit. Like an interrupt, this must not be caught as an error of the work."""


class MemoryExceededError(LimitExceededError):
    """Of memory."""


class TimeExceededError(LimitExceededError):
    """Of time."""


class TaskGuard:
    """Guards the calling thread for the duration of the context.

    `limit_bytes` limits the memory beyond what the process holds at the start, `limit_seconds` the time.
    """

    def __init__(self, limit_bytes: int, limit_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sent: type[LimitExceededError] | None = None

    def __enter__(self) -> Self:
        self._baseline_bytes = private_bytes()
        self._started = time.monotonic()
        self._thread_id = threading.get_ident()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over.set()
        # An exception that was sent but has not arrived yet must not reach later code of this thread.
        while self._sent is not None and kind is not self._sent:
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            memory = (private_bytes() - self._baseline_bytes) / self._limit_bytes
            spent = (time.monotonic() - self._started) / self._limit_seconds
            if max(memory, spent) > 2:
                os._exit(EXIT_CODE)
            if max(memory, spent) > 1:
                self._send(MemoryExceededError if memory > 1 else TimeExceededError)

    def _send(self, kind: type[LimitExceededError]) -> None:
        with self._lock:
            if not self._over.is_set() and self._sent is None:
                self._sent = kind
                thread_id = ctypes.c_ulong(self._thread_id)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(kind))


def private_bytes() -> int:
    """Resident memory that this process does not share."""
    _, resident, shared, *_ = os.pread(_statm(os.getpid()), STATM_BYTES, 0).split()
    return (int(resident) - int(shared)) * PAGE_BYTES


@cache
def _statm(process_id: int) -> int:
    """The file of the counters, kept open: it is read fifty times a second."""
    return os.open(f"/proc/{process_id}/statm", os.O_RDONLY | os.O_CLOEXEC)
