"""One dataset, written by runs that know nothing of one another: each has a partition of the ids (`partitions`).

    partitions.txt                how many there are, for good
    lease-partition-1-of-4.json   the lease of a partition
    features/partition-1-of-4/    its shards; likewise its ledgers, failures and index

A run reads and changes the files of its own partition alone. Readers take all shards below `features/`. A dataset that
was written as a whole is not partitioned later, nor is the number of partitions changed: rows would be in files that
others change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster.datasets.folder import DatasetError, stored_parquet
from cluster.datasets.partitions import WHOLE, Partition
from cluster.storage import conditions, files, local_files
from cluster.storage.conditions import ChangedError
from cluster.storage.lease import Lease, LeaseError, is_open

COUNT_FILE = "partitions.txt"
WAIT_SECONDS = 120.0  # for a file that partitions share, which takes a moment to write
POLL_SECONDS = 0.2


def check_partitioning(root: str, partition: Partition) -> None:
    """Raise `DatasetError` where the dataset at `root` is divided otherwise. Writes nothing."""
    count = partition_count(root)
    if count is None and partition != WHOLE and any(stored_parquet(files.join(root, "features"))):
        raise DatasetError(f"{root} was written as a whole: go on without --partition, or write to another place")
    if count not in (None, partition.count):
        remedy = f"give --partition K/{count}" if partition != WHOLE else f"give --partition 1/{count} and the others"
        raise DatasetError(f"{root} is written in {count} partitions: {remedy}, or write to another place")


def begin_partition(root: str, partition: Partition) -> None:
    """Settle how the dataset is divided, or raise `DatasetError`; the caller holds the lease of its partition."""
    if partition != WHOLE:
        uri, data = files.join(root, COUNT_FILE), f"{partition.count}\n".encode()
        if files.is_local(uri):
            local_files.create_file(Path(files.local_path(uri)), data)
        else:
            with suppress(ChangedError):
                conditions.write(uri, data, "")
        if is_open(files.join(root, "lease.json")):
            raise DatasetError(
                f"another run writes {root} as a whole: wait until it ends, or write to another place; "
                "one without --partition clears what a run that died has left"
            )
    check_partitioning(root, partition)


@contextmanager
def shared_lease(uri: str, run_id: str) -> Iterator[Lease]:
    """The lease of a file that all partitions change; waits for one that holds it."""
    deadline = time.monotonic() + WAIT_SECONDS
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


def partition_count(root: str) -> int | None:
    """In how many partitions a dataset is written; None where it is none, or nothing yet."""
    try:
        return int(files.read_bytes(files.join(root, COUNT_FILE)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DatasetError(f"{files.join(root, COUNT_FILE)} holds no number: {error}") from error
