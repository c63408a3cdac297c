"""A dataset folder on disk or in a bucket: Parquet files, records of runs, and the lease of the run that writes.

    lease.json, lease.lock         while a run is writing: which one; in buckets, the lease stays when it is released
    runs/RUN.json, runs/RUN.html   record and report of each run
    runs/RUN.toml                  its options: `--config` with this file repeats the run

What the Parquet files hold is up to `FeatureDataset` and `LabelDataset`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, TypeVar

import pyarrow as pa

from cluster.datasets.tables import fence_table
from cluster.runs.config_file import config_text
from cluster.runs.options import Options
from cluster.storage import files
from cluster.storage.buckets import StoredFile
from cluster.storage.lease import Lease
from cluster.storage.listing import list_files
from cluster.storage.writer import PlainWriter, Writer
from schemas.errors import InputError, examples
from schemas.records import JobRecord
from schemas.text import counted

RUNS = "runs"
RECORD_EVERY_SECONDS = 60.0

logger = logging.getLogger("framemill")
RecordT = TypeVar("RecordT", bound=JobRecord)


class DatasetError(InputError):
    """A dataset that a run cannot read or write; the message says why and what to do."""


class DatasetFolder:
    """The folder at `root`, for run `run_id`. `writer` changes its Parquet files: the lease, while one is held."""

    elsewhere: ClassVar[str] = "Write to another place"  # the remedy where the root cannot be written to

    def __init__(self, root: str, *, run_id: str) -> None:
        self.root = root
        self.run_id = run_id
        self.bytes_written = 0
        self.writer: Writer = PlainWriter()
        self._recorded_at = time.monotonic()

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Be the one run that writes.

        Raises:
            LeaseError: where another run is writing.
            DatasetError: where nothing can be written.
        """
        with held(Lease(self.lease_uri(), self.run_id), self.root, self.elsewhere) as lease:
            self.writer = lease
            try:
                yield lease
            finally:
                self.writer = PlainWriter()

    def lease_uri(self) -> str:
        """Where the lease is while a run is writing, or after one that has died."""
        return self.place("lease.json")

    def place(self, *parts: str) -> str:
        """The URI of a file or folder below the root."""
        return files.join(self.root, *parts)

    def shard_name(self, number: int) -> str:
        """The file name of the run's commit `number`."""
        return f"part-{self.run_id}-{number:05d}.parquet"

    @property
    def shared_folders(self) -> list[str]:
        """The folders of what is no row."""
        return [self.root, self.place(RUNS)]

    def sweep_temporaries(self, folders: Iterable[str]) -> None:
        """Remove what writers that were killed have left in `folders`."""
        for folder in folders:
            files.sweep_temporaries(folder)

    def fence(self, schema_of: Callable[[str], pa.Schema], shard_of: Callable[[str], str | None]) -> None:
        """Keep a run that died, and may turn out to be alive, from finishing what it was about to change.

        A ledger counts as soon as its shard is there: shards come first, and their ledgers keep only the ids in them.

        schema_of  the schema of a file
        shard_of   the shard of a ledger; None for other files
        """
        ids: dict[str | None, pa.ChunkedArray] = {}
        for uri in sorted(self.writer.unfenced, key=lambda uri: shard_of(uri) is not None):
            empty = schema_of(uri).empty_table()
            ids[uri] = fence_table(self.writer, uri, self.run_id, empty, only=ids.get(shard_of(uri)))["id"]
        self.writer.fenced()

    def log_repair(self, surplus: Mapping[str, Collection[str]]) -> None:
        """Say that rows are removed, by shard, since later shards have rows of these ids, too."""
        names = sorted({name for ids in surplus.values() for name in ids})
        if names:
            videos = counted(len(names), "video")
            logger.warning(f"{self.root}: {videos} had two rows, of which the later one stays: {examples(names)}")

    def run_uri(self, suffix: str, run_id: str = "") -> str:
        """Where a run's record (`.json`), report (`.html`) or options (`.toml`) go: this run's, or those of another."""
        return self.place(RUNS, f"{run_id or self.run_id}{suffix}")

    def write_record(self, record: JobRecord) -> None:
        """Write the record of a run. Raises `DatasetError` where that fails."""
        with self.explained("written to"):
            files.write_bytes(self.run_uri(".json", record.run_id), record.to_json().encode())
        self._recorded_at = time.monotonic()

    def is_record_due(self) -> bool:
        """Whether the record of a working run is to be updated."""
        return time.monotonic() - self._recorded_at > RECORD_EVERY_SECONDS

    def write_options(self, options: Options) -> None:
        """Write the options that repeat the run. Raises `DatasetError` where that fails."""
        with self.explained("written to"):
            files.write_bytes(self.run_uri(".toml"), config_text(options, f"run {self.run_id}").encode())

    def write_report(self, page: str, run_id: str) -> None:
        """Write the report of a run. Raises `DatasetError` where that fails."""
        with self.explained("written to"):
            files.write_bytes(self.run_uri(".html", run_id), page.encode())

    def record_of(self, run_id: str, kind: type[RecordT]) -> RecordT | None:
        """The record of a run; None for one that died before its first record, or is of another release."""
        try:
            return kind.from_json(files.read_bytes(self.run_uri(".json", run_id)).decode())
        except (FileNotFoundError, ValueError):
            return None

    def close_runs(
        self,
        run_ids: Iterable[str],
        kind: type[RecordT],
        recount: Callable[[RecordT], RecordT],
        report: Callable[[RecordT], str] | None = None,
    ) -> None:
        """Mark runs that died as `died` in their records, and write the reports that they could not write.

        `recount` gives a record the counts of what its run has committed.
        """
        for run_id in run_ids:
            record = self.record_of(run_id, kind)
            if record is not None and record.status == "running":
                record = recount(record.closed())
                self.write_record(record)
                if report is not None:
                    self.write_report(report(record), run_id)

    @contextmanager
    def explained(self, cannot: str) -> Iterator[None]:
        """Turn what a store or disk refuses into a `DatasetError` that says what to do."""
        try:
            yield
        except (OSError, files.StorageError) as error:
            advice = "What is committed there stays; mend this and run again"
            raise DatasetError(f"{self.root} cannot be {cannot}: {error}\n{advice}") from error


@contextmanager
def held(lease: Lease, root: str, elsewhere: str) -> Iterator[Lease]:
    """Hold `lease`. Raises `DatasetError`, with the remedy `elsewhere`, where `root` cannot be written to."""
    try:
        lease.acquire()
    except (OSError, files.StorageError) as error:
        raise DatasetError(f"{root} cannot be written to: {error}\n{elsewhere}") from error
    try:
        yield lease
    finally:
        lease.release()


def parquet_files(folder: str) -> list[str]:
    """All Parquet files below `folder`; none where it does not exist."""
    return [file.uri for file in stored_parquet(folder)]


def stored_parquet(folder: str) -> Iterator[StoredFile]:
    """The same with their versions, as they are listed."""
    if files.exists(folder):
        yield from (file for file in list_files(folder) if file.uri.endswith(".parquet"))
