"""Stopping a video that eats memory, without losing the worker if that can be helped.

A limit set in the kernel would not do: FFmpeg's decoders take a failed allocation for damaged data and go on, and the
frames would silently be missing. So a thread watches what the process holds. Beyond the limit it raises
`MemoryLimitExceededError` in the guarded thread, which gets it as soon as it is back in Python; beyond twice the limit
it ends the process, and the engine replaces the worker.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.02
EXIT_CODE = 137  # as of a process that the kernel killed for its memory


class MemoryLimitExceededError(Exception):
    """The guarded work held more memory than it may."""


class MemoryGuard:
    """Guards the calling thread, for as long as the context lasts, against holding `limit_bytes` more than before."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._has_fired = False

    def __enter__(self) -> Self:
        self._baseline_bytes = private_bytes()
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
        while self._has_fired and kind is not MemoryLimitExceededError:
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            grown_bytes = private_bytes() - self._baseline_bytes
            if grown_bytes > 2 * self._limit_bytes:
                os._exit(EXIT_CODE)
            with self._lock:
                if grown_bytes > self._limit_bytes and not self._over.is_set() and not self._has_fired:
                    self._has_fired = True
                    exception = ctypes.py_object(MemoryLimitExceededError)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread_id), exception)


def private_bytes() -> int:
    """Resident memory of this process that it shares with no other."""
    with open("/proc/self/statm") as statm:
        _, resident, shared, *_ = (int(field) for field in statm.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
