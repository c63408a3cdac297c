"""The lease of a dataset: one run at a time may write to it.

`lease.json` in the dataset names its holder, who renews it every `RENEW_SECONDS`. Clocks of two machines are never
compared: a run that finds a lease watches it. A lease that is renewed meanwhile belongs to a running process; one that
is not renewed for `EXPIRY_SECONDS` was abandoned and is taken over. On the holder's own machine, the process table
answers at once.

A run that was suspended or cut off from the store for longer than that checks that the lease is still its own before it
commits.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.storage import files
from schemas import strict_json
from schemas.errors import InputError

SCHEMA_VERSION = 1
RENEW_SECONDS = 10.0
EXPIRY_SECONDS = 60.0
# Two runs that take over an abandoned lease at the same moment both write it; after this, both read the later one.
SETTLE_SECONDS = 1.0

logger = logging.getLogger("framemill")


class LeaseError(InputError):
    """Another run holds the lease; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The content of `lease.json`: the run that holds the lease.

    host, pid         for messages
    machine, process  identify the process, across reboots and reused process ids
    token             drawn for each attempt to acquire
    renewals          how often the lease was renewed
    predecessors      runs that died while they held the lease, in order
    """

    run_id: str
    token: str
    host: str
    pid: int
    machine: str
    process: str
    renewals: int = 0
    predecessors: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION


class Lease:
    """The lease at `uri`, for run `run_id`."""

    def __init__(
        self, uri: str, run_id: str, *, renew_seconds: float = RENEW_SECONDS, expiry_seconds: float = EXPIRY_SECONDS
    ) -> None:
        self._uri = uri
        self._renew_seconds = renew_seconds
        self._expiry_seconds = expiry_seconds
        self._mine = Holder(
            run_id=run_id,
            token=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            machine=_machine(),
            process=_process(os.getpid()),
        )
        self._renewed_at = 0.0
        self._lock = threading.Lock()
        self._released = threading.Event()

    @property
    def predecessors(self) -> tuple[str, ...]:
        """The runs that died since the lease was last released. Valid once it is held."""
        return self._mine.predecessors

    def acquire(self) -> None:
        """Take the lease and renew it until `release`. Raises `LeaseError` while another run holds it."""
        while not self._create():
            found = self._read()
            if found is not None and self._is_abandoned(found):
                self._take_over(found)
                break
        self._renewed_at = time.monotonic()
        threading.Thread(target=self._renew_until_released, name="lease", daemon=True).start()

    def check(self) -> None:
        """Check before a commit that the lease is still held. Raises `LeaseError` where it is not."""
        if time.monotonic() - self._renewed_at > self._expiry_seconds / 2:
            self._renew()

    def release(self) -> None:
        """Give up the lease."""
        self._released.set()
        with self._lock:
            try:
                if self._is_mine():
                    files.delete(self._uri)
            except (OSError, files.StorageError) as error:
                logger.warning(f"{self._uri} cannot be removed and delays the next run: {error}")

    def _create(self) -> bool:
        # Some stores overwrite an existing file: check before, and after for two runs that start together.
        if self._read() is not None or not files.create_bytes(self._uri, strict_json.dump(self._mine).encode()):
            return False
        if files.is_local(self._uri):
            return True
        time.sleep(SETTLE_SECONDS)
        return self._is_mine()

    def _is_abandoned(self, found: Holder) -> bool:
        """Whether the holder of the lease `found` is dead; False where the lease is gone. Raises for a live run."""
        if found.machine == self._mine.machine and found.machine:
            if _process(found.pid) == found.process:
                raise LeaseError(self._refusal(found))
            return True
        logger.warning(
            f"run {found.run_id} on {found.host} holds {self._uri}; watching for {self._expiry_seconds:g} s "
            "whether it renews the lease"
        )
        started = time.monotonic()
        while time.monotonic() - started < self._expiry_seconds:
            time.sleep(self._renew_seconds / 2)
            now = self._read()
            if now is None:
                return False
            if now != found:
                raise LeaseError(self._refusal(now))
        return True

    def _take_over(self, found: Holder) -> None:
        logger.warning(f"taking over from run {found.run_id} on {found.host}, which died")
        self._mine = replace(self._mine, predecessors=(*found.predecessors, found.run_id))
        files.write_bytes(self._uri, strict_json.dump(self._mine).encode())
        time.sleep(SETTLE_SECONDS)
        if not self._is_mine():
            raise LeaseError(self._refusal(self._read() or found))

    def _renew_until_released(self) -> None:
        while not self._released.wait(self._renew_seconds):
            try:
                self._renew()
            except LeaseError as error:
                logger.error(error)
                return
            except (OSError, files.StorageError) as error:
                logger.warning(f"the lease cannot be renewed: {error}")

    def _renew(self) -> None:
        with self._lock:
            if self._released.is_set():
                return
            if not self._is_mine():
                self._renewed_at = float("-inf")
                raise LeaseError(
                    f"another run has taken {self._uri} over, because this run did not renew it for "
                    f"{self._expiry_seconds:g} s; the other run does what this one has not committed"
                )
            self._mine = replace(self._mine, renewals=self._mine.renewals + 1)
            files.write_bytes(self._uri, strict_json.dump(self._mine).encode())
            self._renewed_at = time.monotonic()

    def _is_mine(self) -> bool:
        found = self._read()
        return found is not None and found.token == self._mine.token

    def _read(self) -> Holder | None:
        try:
            text = files.read_bytes(self._uri).decode()
        except FileNotFoundError:
            return None
        try:
            return strict_json.load(Holder, text, "lease", schema_version=SCHEMA_VERSION)
        except (ValueError, UnicodeDecodeError) as error:
            raise LeaseError(f"{self._uri} is not a lease: {error}\nRemove it if no run is writing here") from error

    def _refusal(self, holder: Holder) -> str:
        return (
            f"run {holder.run_id} (process {holder.pid} on {holder.host}) is writing to this dataset: {self._uri}\n"
            "Wait until it ends, or write to another place; a run that has died is detected within "
            f"{self._expiry_seconds:g} s"
        )


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
