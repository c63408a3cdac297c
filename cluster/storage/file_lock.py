"""An exclusive lock between processes, on a file that exists for nothing else.

The system releases the lock of a process that dies. One that is suspended keeps it. On network file systems it excludes
processes of other machines, too, where the server takes part.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

WAIT_SECONDS = 30.0  # nobody holds the lock for longer than it takes to rename a file
POLL_SECONDS = 0.02
UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF})


class UnsupportedLockError(OSError):
    """The file system has no locks."""


class LockTimeoutError(OSError):
    """Another process has held the lock for `WAIT_SECONDS`."""


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock at `path`. Whoever holds it may remove the file.

    Raises:
        LockTimeoutError: where another process does not release it.
        UnsupportedLockError: where there are no locks.
    """
    file = _lock(path)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)  # closing alone would not release it while a forked child has it open
        file.close()


def _lock(path: str) -> BinaryIO:
    started = time.monotonic()
    while True:
        file = open(path, "ab")  # noqa: SIM115 - closed by the caller, or by the interpreter wherever a signal strikes
        if _try_lock(file) and _is_at(path, file):
            return file
        file.close()
        if time.monotonic() - started > WAIT_SECONDS:
            raise LockTimeoutError(errno.EWOULDBLOCK, "another process does not release this lock", path)
        time.sleep(POLL_SECONDS)


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in UNSUPPORTED:
            raise UnsupportedLockError(error.errno, "this file system has no locks") from error
        raise
    return True


def _is_at(path: str, file: BinaryIO) -> bool:
    """Whether the file was not removed, or replaced by another, before it was locked."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
