"""Fences keep a writer that has lost its lease out of the files that the lease protects.

A writer may be suspended between any two of its steps, also right after it has made sure that it holds the lease. When
it wakes up, another run has taken over and works on the files. What refuses its next step depends on the store:

`LockFence`, on disks. Every change is a rename under a lock, after a look at the lease under the same lock. Whoever
takes over needs that lock, too. A process that is suspended inside it keeps others waiting until they give up.

`ConditionFence`, in buckets. A file is created only if there is none of its name, and replaced only if it is the one
that was read, after which the lease was still held. Before the holder changes files, it writes their names into the
lease, which it replaces only if that is as it has left it. Whoever takes over thereby knows every file that a request
may still be on its way to, and changes these first: it creates those that are missing, without rows, and replaces the
others by equal ones. The request finds another file than it was made for. A run that dies in the middle of this leaves
the names to the one that takes over from it.

`CheckFence`, where there is neither: a look at the lease before each change and, for new files, one after it, upon
which they are taken back. A writer that is suspended between a look and a change can do harm, which `prepare` of the
datasets repairs.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from cluster.storage import conditions, files, local_files
from cluster.storage.conditions import ChangedError
from cluster.storage.file_lock import UnsupportedLockError, locked
from cluster.storage.files import UnsupportedError
from schemas.errors import InputError

# Two runs that take over an abandoned lease at the same moment both write it; after this, both read the later one.
SETTLE_SECONDS = 1.0
Confirm = Callable[[], None]  # raises an error where the lease is lost


class Fence(ABC):
    """How the holder of the lease at `uri` writes the lease and the files that it protects.

    Versions are of the store's own making; an empty one stands for a file that is not there.
    """

    announces: ClassVar[bool] = False  # whether the lease names files before they are changed, and versions count

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @abstractmethod
    def read_lease(self) -> tuple[bytes, str]:
        """Content and version of the lease, both empty where there is none."""

    @abstractmethod
    def swap(self, version: str, data: bytes) -> str:
        """Replace the lease, and return its new version. Raises `ChangedError` where it is not at `version`."""

    def take(self, version: str, data: bytes) -> str:
        """The same for a run that does not hold it yet. Raises `UnsupportedError` where the store lacks this fence."""
        return self.swap(version, data)

    @abstractmethod
    def give_up(self, version: str, data: bytes) -> None:
        """Remove the lease, or replace it by `data`. Raises `ChangedError` where it is not at `version`."""

    @abstractmethod
    def read(self, uri: str) -> tuple[bytes, str]:
        """Content and version of a file."""

    @abstractmethod
    def put(self, uri: str, data: bytes | memoryview, confirm: Confirm) -> None:
        """Write a file that no other run writes; one that an earlier attempt has written is replaced."""

    @abstractmethod
    def replace(self, uri: str, data: bytes | memoryview, version: str, confirm: Confirm) -> str:
        """Replace a file, and return its new version. Raises `ChangedError` where it is not at `version`."""

    @abstractmethod
    def remove(self, uri: str, version: str, emptied: bytes | memoryview, confirm: Confirm) -> None:
        """Remove a file, or replace it by `emptied`. Raises `ChangedError` where it is not at `version`."""


class LockFence(Fence):
    """A lock file beside the lease; both are there while a run holds the lease. Only leases have versions."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._path = Path(files.local_path(uri))
        self._lock_path = self._path.with_suffix(".lock")

    @override
    def read_lease(self) -> tuple[bytes, str]:
        return _content(self.uri)

    @override
    def swap(self, version: str, data: bytes) -> str:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        local_files.write_file(self._path, data, within=self._unchanged(version))
        return data.decode()

    @override
    def give_up(self, version: str, data: bytes) -> None:
        with self._unchanged(version):
            self._path.unlink()

    @override
    def read(self, uri: str) -> tuple[bytes, str]:
        return files.read_bytes(uri), ""

    @override
    def put(self, uri: str, data: bytes | memoryview, confirm: Confirm) -> None:
        local_files.write_file(Path(files.local_path(uri)), data, within=self._confirmed(confirm))

    @override
    def replace(self, uri: str, data: bytes | memoryview, version: str, confirm: Confirm) -> str:
        self.put(uri, data, confirm)
        return ""

    @override
    def remove(self, uri: str, version: str, emptied: bytes | memoryview, confirm: Confirm) -> None:
        with self._confirmed(confirm):
            files.delete(uri)

    @contextmanager
    def _confirmed(self, confirm: Confirm) -> Iterator[None]:
        with self._locked():
            confirm()
            yield

    @contextmanager
    def _unchanged(self, version: str) -> Iterator[None]:
        with self._locked():
            _check_version(self, version)
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locked(str(self._lock_path)):
                try:
                    yield
                finally:
                    if not self._path.exists():
                        self._lock_path.unlink()
        except UnsupportedLockError as error:
            raise UnsupportedError(f"{self._lock_path}: {error.strerror}") from error


class ConditionFence(Fence):
    """Conditional requests. A lease that was released stays, since not all stores can remove it conditionally."""

    announces = True

    @override
    def read_lease(self) -> tuple[bytes, str]:
        try:
            return conditions.read(self.uri)
        except FileNotFoundError:
            return b"", ""

    @override
    def swap(self, version: str, data: bytes) -> str:
        return conditions.write(self.uri, data, version)

    @override
    def take(self, version: str, data: bytes) -> str:
        taken = super().take(version, data)
        if not conditions.are_kept(self.uri, data):
            raise UnsupportedError(f"{self.uri}: this store ignores the conditions of requests")
        return taken

    @override
    def give_up(self, version: str, data: bytes) -> None:
        conditions.write(self.uri, data, version)

    @override
    def read(self, uri: str) -> tuple[bytes, str]:
        return conditions.read(uri)

    @override
    def put(self, uri: str, data: bytes | memoryview, confirm: Confirm) -> None:
        try:
            conditions.write(uri, bytes(data), "")
        except ChangedError:
            _, version = conditions.read(uri)
            confirm()  # it is of an earlier attempt of this run: nobody else had taken over when it was read
            self.replace(uri, data, version, confirm)

    @override
    def replace(self, uri: str, data: bytes | memoryview, version: str, confirm: Confirm) -> str:
        with _explained(confirm):
            return conditions.write(uri, bytes(data), version)

    @override
    def remove(self, uri: str, version: str, emptied: bytes | memoryview, confirm: Confirm) -> None:
        with _explained(confirm):
            conditions.remove(uri, version, bytes(emptied))


class CheckFence(Fence):
    """Checks alone, which leave gaps."""

    @override
    def read_lease(self) -> tuple[bytes, str]:
        return _content(self.uri)

    @override
    def swap(self, version: str, data: bytes) -> str:
        _check_version(self, version)
        files.write_bytes(self.uri, data)
        return data.decode()

    @override
    def take(self, version: str, data: bytes) -> str:
        taken = self.swap(version, data)
        time.sleep(SETTLE_SECONDS)
        _check_version(self, taken)
        return taken

    @override
    def give_up(self, version: str, data: bytes) -> None:
        _check_version(self, version)
        files.delete(self.uri)

    @override
    def read(self, uri: str) -> tuple[bytes, str]:
        return files.read_bytes(uri), ""

    @override
    def put(self, uri: str, data: bytes | memoryview, confirm: Confirm) -> None:
        self.replace(uri, data, "", confirm)
        try:
            confirm()
        except InputError:
            with contextlib.suppress(FileNotFoundError):
                files.delete(uri)
            raise

    @override
    def replace(self, uri: str, data: bytes | memoryview, version: str, confirm: Confirm) -> str:
        confirm()
        files.write_bytes(uri, data)
        return ""

    @override
    def remove(self, uri: str, version: str, emptied: bytes | memoryview, confirm: Confirm) -> None:
        confirm()
        files.delete(uri)


def fence_of(uri: str) -> Fence:
    """The best fence for a lease at `uri`, whose `take` says whether the store has it."""
    return LockFence(uri) if files.is_local(uri) else ConditionFence(uri)


@contextmanager
def _explained(confirm: Confirm) -> Iterator[None]:
    """Where a file has changed, say who has taken over, if anybody has."""
    try:
        yield
    except ChangedError:
        confirm()
        raise


def _content(uri: str) -> tuple[bytes, str]:
    """A lease that is its own version."""
    try:
        content = files.read_bytes(uri)
    except FileNotFoundError:
        return b"", ""
    return content, content.decode(errors="replace")


def _check_version(fence: Fence, version: str) -> None:
    if fence.read_lease()[1] != version:
        raise ChangedError(f"{fence.uri} was changed meanwhile by another process")
