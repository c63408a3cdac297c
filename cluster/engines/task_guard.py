"""Stopping a video that eats memory or time, without losing the worker if that can be helped.

A limit set in the kernel would not do: FFmpeg's decoders take a failed allocation for damaged data and go on, and the
frames would silently be missing. So a thread watches the clock and what the process holds. Beyond a limit it raises
`LimitExceededError` in the guarded thread, which gets it as soon as it is back in Python; beyond twice the limit it
ends the process, and the engine replaces the worker. What holds up even this thread is for the engine to kill.
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
    """The guarded work took more than it may. Like an interrupt, it must not be taken for an error of the work's."""


class MemoryExceededError(LimitExceededError):
    """Of memory."""


class TimeExceededError(LimitExceededError):
    """Of time."""


class TaskGuard:
    """Guards the calling thread, for as long as the context lasts.

    `limit_bytes` is what it may hold more than before, `limit_seconds` how long it may take.
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
        # An exception that was sent but has not arrived yet must not reach whatever this thread does next.
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
    """Resident memory of this process that it shares with no other."""
    _, resident, shared, *_ = os.pread(_statm(os.getpid()), STATM_BYTES, 0).split()
    return (int(resident) - int(shared)) * PAGE_BYTES


@cache
def _statm(process_id: int) -> int:
    """The file that tells, kept open: it is read fifty times a second."""
    return os.open(f"/proc/{process_id}/statm", os.O_RDONLY | os.O_CLOEXEC)
