"""The lease of a dataset: one run at a time may write to it.

`lease.json` in the dataset names its holder, who renews it every `RENEW_SECONDS`. Clocks of two machines are never
compared: a run that finds a lease watches it. A lease that is renewed meanwhile belongs to a running process; one that
is not renewed for `EXPIRY_SECONDS` was abandoned and is taken over. On the holder's own machine, the process table
answers at once. Of any number of runs that take a lease over, one succeeds.

A holder may turn out to be alive after all: it was suspended, or cut off from the store. No clock tells it so: it
writes the files of the dataset through its lease, whose fence (`cluster.storage.fence`) refuses what it does after the
takeover.
"""

from __future__ import annotations

import logging
import posixpath
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from cluster.storage import files
from cluster.storage.conditions import ChangedError
from cluster.storage.fence import CheckFence, fence_of
from cluster.storage.file_lock import LockTimeoutError
from cluster.storage.files import UnsupportedError
from cluster.storage.holder import Holder
from schemas.errors import InputError

RENEW_SECONDS = 10.0
EXPIRY_SECONDS = 60.0

logger = logging.getLogger("framemill")


class LeaseError(InputError):
    """Another run holds the lease; the message says which."""


class Lease:
    """The lease at `uri`, for run `run_id`, and the writes that it allows."""

    def __init__(
        self, uri: str, run_id: str, *, renew_seconds: float = RENEW_SECONDS, expiry_seconds: float = EXPIRY_SECONDS
    ) -> None:
        self._uri = uri
        self._renew_seconds = renew_seconds
        self._expiry_seconds = expiry_seconds
        self._fence = fence_of(uri)
        self._mine = Holder.of_this_process(run_id)
        self._version = ""  # of the lease as this run has written it last
        self._unfenced: tuple[str, ...] = ()
        self._changing: tuple[str, ...] = ()
        self._unconfirmed: set[str] = set()  # files that were read after the lease was last seen to be held
        self._lock = threading.Lock()
        self._released = threading.Event()

    @property
    def predecessors(self) -> tuple[str, ...]:
        """The runs that died since the lease was last released. Valid once it is held."""
        return self._mine.predecessors

    @property
    def unfenced(self) -> tuple[str, ...]:
        """URIs of files that a run that died may still change, until `fenced` is called."""
        return tuple(files.join(self._folder, name) for name in self._unfenced)

    def acquire(self) -> None:
        """Take the lease and renew it until `release`. Raises `LeaseError` while another run holds it."""
        while not self._take():
            pass
        threading.Thread(target=self._renew_until_released, name="lease", daemon=True).start()

    def confirm(self) -> None:
        """Look whether the lease is still held. Raises `LeaseError` where another run has taken it over."""
        self._read_mine()
        self._unconfirmed.clear()

    def release(self) -> None:
        """Give up the lease."""
        self._released.set()
        with self._lock:
            left = (*self._unfenced, *self._changing)
            released = replace(self._mine, predecessors=(), changing=left, is_released=True)
            try:
                self._fence.give_up(self._read_mine(), released.to_bytes())
            except (LeaseError, ChangedError):
                pass  # it is another's
            except (OSError, files.StorageError) as error:
                logger.warning(f"{self._uri} cannot be removed and delays the next run: {error}")

    def fenced(self) -> None:
        """The files that were `unfenced` have been changed: that run can change them no more."""
        self._unfenced = ()

    @contextmanager
    def changing(self, uris: Iterable[str]) -> Iterator[None]:
        """Change these files meanwhile. Raises `LeaseError` where another run has taken over."""
        before = self._changing  # those of changes that were interrupted
        if self._fence.announces:
            names = (uri.removeprefix(self._folder).lstrip("/") for uri in uris)
            self._renew(tuple(dict.fromkeys((*before, *names))))
            self._unconfirmed.clear()
        else:
            self.confirm()
        yield
        self._changing = before

    def read(self, uri: str) -> tuple[bytes, str]:
        """Content of a file, and its version for `replace` and `remove`."""
        self._unconfirmed.add(uri)
        return self._fence.read(uri)

    def put(self, uri: str, data: bytes | memoryview) -> None:
        """Write a file that no other run writes. Raises `LeaseError` where another run has taken over."""
        self._fence.put(uri, data, self.confirm)

    def replace(self, uri: str, data: bytes | memoryview, version: str) -> str:
        """Replace a file that was read, and return its new version. Raises `LeaseError` as `put` does."""
        self._confirm_version(uri)
        return self._fence.replace(uri, data, version, self.confirm)

    def remove(self, uri: str, version: str, emptied: bytes | memoryview) -> None:
        """Remove a file that was read, or replace it by `emptied`. Raises `LeaseError` as `put` does."""
        self._confirm_version(uri)
        self._fence.remove(uri, version, emptied, self.confirm)

    def _confirm_version(self, uri: str) -> None:
        """Make sure that a file was read before anybody could take over and change it."""
        if self._fence.announces and uri in self._unconfirmed:
            self.confirm()

    @property
    def _folder(self) -> str:
        return posixpath.dirname(self._uri)

    def _take(self) -> bool:
        """Try to take the lease; False where it has changed meanwhile. Raises `LeaseError` for a live holder."""
        try:
            found, version = self._read()
            predecessors = () if found is None else found.predecessors
            if found is not None and not found.is_released and found.token != self._mine.token:
                if not self._is_abandoned(found):
                    return False
                logger.warning(f"taking over from run {found.run_id} on {found.host}, which died")
                predecessors += (found.run_id,)
            self._unfenced = () if found is None else found.changing
            self._mine = replace(self._mine, predecessors=predecessors, changing=self._unfenced)
            self._version = self._fence.take(version, self._mine.to_bytes())
        except ChangedError:
            return False
        except LockTimeoutError as error:
            raise LeaseError(
                f"a process has stopped in the middle of a write, and holds {error.filename}\n"
                "Let it go on, or end it, and run again"
            ) from error
        except UnsupportedError as error:
            logger.warning(f"{error}: two runs are kept apart less strictly there")
            self._fence = CheckFence(self._uri)
            return False
        return True

    def _is_abandoned(self, found: Holder) -> bool:
        """Whether the holder of the lease `found` is dead; False where the lease is gone. Raises for a live run."""
        if found.is_on_machine_of(self._mine):
            if found.is_running():
                raise LeaseError(self._refusal(found))
            return True
        logger.warning(
            f"run {found.run_id} on {found.host} holds {self._uri}; watching for {self._expiry_seconds:g} s "
            "whether it renews the lease"
        )
        started = time.monotonic()  # time in which this machine was suspended is none in which it watched
        while time.monotonic() - started < self._expiry_seconds:
            time.sleep(self._renew_seconds / 2)
            now, _ = self._read()
            if now is None or now.is_released:
                return False
            if now != found:
                raise LeaseError(self._refusal(now))
        return True

    def _renew_until_released(self) -> None:
        while not self._released.wait(self._renew_seconds):
            try:
                self._renew()
            except LeaseError as error:
                logger.error(error)
                return
            except (OSError, files.StorageError) as error:
                logger.warning(f"the lease cannot be renewed: {error}")

    def _renew(self, changing: tuple[str, ...] | None = None) -> None:
        """Write the lease anew; with the files that are `changing` from now on, where they are given."""
        with self._lock:
            if self._released.is_set() and changing is None:
                return
            self._changing = self._changing if changing is None else changing
            names = (*self._unfenced, *self._changing)
            self._mine = replace(self._mine, renewals=self._mine.renewals + 1, changing=names)
            while True:
                try:
                    self._version = self._fence.swap(self._version, self._mine.to_bytes())
                    return
                except ChangedError:
                    self._version = self._read_mine()  # an attempt that was interrupted may have written it

    def _read_mine(self) -> str:
        """The version of the lease. Raises `LeaseError` where it is another's."""
        found, version = self._read()
        if found is None or found.token != self._mine.token or found.is_released:
            raise LeaseError(
                f"another run has taken {self._uri} over, because this run did not renew it for "
                f"{self._expiry_seconds:g} s; the other run does what this one has not committed"
            )
        return version

    def _read(self) -> tuple[Holder | None, str]:
        content, version = self._fence.read_lease()
        try:
            return (Holder.from_bytes(content) if version else None), version
        except ValueError as error:
            raise LeaseError(f"{self._uri} is not a lease: {error}\nRemove it if no run is writing here") from error

    def _refusal(self, holder: Holder) -> str:
        return (
            f"run {holder.run_id} (process {holder.pid} on {holder.host}) is writing to this dataset: {self._uri}\n"
            "Wait until it ends, or write to another place; a run that has died is detected within "
            f"{self._expiry_seconds:g} s"
        )


def is_open(uri: str) -> bool:
    """Whether a run holds the lease at `uri`, or has left something for the next one to clear."""
    try:
        content, _ = fence_of(uri).read_lease()
        found = Holder.from_bytes(content) if content else None
    except (UnsupportedError, ValueError):
        return True  # whoever acquires it will see
    return found is not None and (not found.is_released or bool(found.changing))
