"""One dataset, written by runs that know nothing of one another: each has a partition of the ids (`partitions`).

    partitions.txt                how many there are, and the settings of their features, for good
    lease-partition-1-of-4.json   the lease of a partition
    features/partition-1-of-4/    its shards; likewise its ledgers, failures and index

A run reads and changes the files of its own partition alone. Readers take all shards below `features/`. A dataset that
was written as a whole is not partitioned later, nor is the number of partitions changed: rows would be in files that
others change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cluster.datasets.folder import DatasetError, stored_parquet
from cluster.datasets.partitions import WHOLE, Partition
from cluster.storage import files
from cluster.storage.lease import Lease, LeaseError
from schemas.commands import job
from schemas.fingerprint import fingerprint_text, parse_fingerprint

COUNT_FILE = "partitions.txt"
WAIT_SECONDS = 120.0  # for a file that partitions share, which takes a moment to write
BEGIN_SECONDS = 15.0  # likewise, for the first file of all
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Begun:
    """In how many partitions a dataset is written, and with which settings, by name."""

    count: int
    settings: Mapping[str, str]


def check_partitioning(root: str, partition: Partition, folders: tuple[str, ...]) -> Begun | None:
    """How the dataset at `root` is divided; None where it is not. Writes nothing.

    Raises `DatasetError` where that is otherwise. `folders` are those that hold its files.
    """
    begun = begun_at(root)
    if begun is None:
        if partition != WHOLE and any(any(stored_parquet(files.join(root, name))) for name in folders):
            raise DatasetError(f"{root} was written as a whole: go on without --partition, or write to another place")
    elif begun.count != partition.count:
        remedy = f"give --partition K/{begun.count}"
        if partition == WHOLE:
            remedy = (
                f"give {job('extract_features')} --partition 1/{begun.count} and the others, or write to another place"
            )
        raise DatasetError(f"{root} is written in {begun.count} partitions: {remedy}")
    return begun


def begin_partition(
    root: str, partition: Partition, folders: tuple[str, ...], run_id: str, settings: Mapping[str, str]
) -> None:
    """Settle how the dataset is divided, or raise `DatasetError`; the caller holds the lease of its partition."""
    if check_partitioning(root, partition, folders) is not None or partition == WHOLE:
        return
    try:
        with shared_lease(files.join(root, "lease.json"), run_id, BEGIN_SECONDS) as lease:
            if lease.unfenced:
                raise DatasetError(
                    f"a run that wrote {root} as a whole has died: one without --partition clears what it has left, or "
                    "write to another place"
                )
            if check_partitioning(root, partition, folders) is None:
                content = f"{partition.count}\n{fingerprint_text(settings)}\n"
                lease.put(files.join(root, COUNT_FILE), content.encode())
    except LeaseError as error:
        if check_partitioning(root, partition, folders) is not None:  # by another partition meanwhile
            return
        raise DatasetError(
            f"another run writes {root} as a whole: wait until it ends, or write to another place\n{error}"
        ) from error


@contextmanager
def shared_lease(uri: str, run_id: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[Lease]:
    """The lease of a file that all partitions change; waits for one that holds it."""
    deadline = time.monotonic() + wait_seconds
    while True:
        lease = Lease(uri, run_id)
        try:
            lease.acquire()
        except LeaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
        else:
            break
    try:
        yield lease
    finally:
        lease.release()


def begun_at(root: str) -> Begun | None:
    """How the dataset is divided; None where it is not, or nothing yet."""
    uri = files.join(root, COUNT_FILE)
    try:
        count, _, settings = files.read_bytes(uri).decode().partition("\n")
        return Begun(int(count), parse_fingerprint(settings.encode()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DatasetError(f"{uri} does not say how the dataset is divided: {error}") from error
