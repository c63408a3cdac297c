"""A dataset with a row for each video, made by a model: the one place that commits rows and failures to it.

    FOLDER/part-RUN-00000.parquet            rows of videos
    ledger/FOLDER/part-RUN-00000.parquet     their ids, and what they, or the features that they are of, were made from
    failures/FOLDER/part-RUN-00000.parquet   videos that have no row, with the reason
    runs/, lease.json                        as in `cluster.datasets.folder`

Within a folder every id has one row, in a shard or among the failures. The metadata of all three files hold the
fingerprint: the model, and how its results are chosen.

A ledger is written before its shard and counts once that is there. Rows that are to be replaced are withdrawn before
the new ones are made, from the ledger first: whatever a crash leaves in between, an id without a line in a ledger or
among the failures is still to be done, and its rows in shards are withdrawn before.

`label_dataset` has a folder for each day, `transcript_dataset` a single one.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.datasets.folder import DatasetFolder, parquet_files
from cluster.datasets.increment import FailedBefore, Settled
from cluster.datasets.shard_index import IndexedShard, repeated
from cluster.datasets.tables import groups, load_table, remove_rows, store_table, tables_with
from cluster.storage.parquet import encode_table, read_table
from schemas.failures import FAILURE_SCHEMA, FailureRow, failure_table
from schemas.labels import LABEL_LEDGER_SCHEMA
from schemas.records import JobRecord

FINGERPRINT_KEY = "framemill.manner"  # in the metadata of Parquet files
LEDGER, FAILURES = "ledger", "failures"
MAX_REQUESTS = 16  # at the same time


class RowDataset(DatasetFolder):
    """The dataset at `root`, of which a run writes in `folder`. One run writes at a time.

    schema  of the rows
    record  of its runs
    """

    schema: ClassVar[pa.Schema]
    record: ClassVar[type[JobRecord]]

    def __init__(self, root: str, *, folder: str, run_id: str, fingerprint: Mapping[str, str]) -> None:
        super().__init__(root, run_id=run_id)
        self._folder = folder
        self._fingerprint = json.dumps(dict(fingerprint), sort_keys=True)
        self.shards = 0
        self._known: dict[str, pa.Table] = {}  # ledgers, once

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of all Parquet files of this run."""
        return {FINGERPRINT_KEY: self._fingerprint, "framemill.run_id": self.run_id}

    def prepare(self) -> None:
        """Clear what runs that died have left half done; the caller holds the lease."""
        with self.explained("written to"):
            own = (self.place(*parent, self._folder) for parent in ((), (LEDGER,), (FAILURES,)))
            self.sweep_temporaries([*self.shared_folders, *own])
            self.fence(self._schema_of, self._shard_of)
            shards = {posixpath.basename(uri): uri for uri in self._shards()}
            ledgers = parquet_files(self.place(LEDGER, self._folder))
            for uri in [uri for uri in ledgers if posixpath.basename(uri) not in shards]:
                with self.writer.changing([uri]):
                    ledger = load_table(self.writer, uri)
                    store_table(self.writer, ledger, ledger.table.slice(0, 0))
            counted = [uri for uri in ledgers if posixpath.basename(uri) in shards]
            self._known = dict(zip(counted, self._read(counted), strict=True))
            surplus = self._surplus(shards)
            if surplus:
                self.log_repair(surplus)
                gone = [(uri, pa.chunked_array([sorted(ids)])) for uri, ids in surplus.items()]
                self._remove(gone, ledgers_first=False)
                self._known = {}

    def close_records(self, run_ids: Iterable[str], report: Callable[[Any], str] | None = None) -> None:
        """Mark runs that died as such in their records, with the rows that they have committed, after `prepare`.

        `report` makes the page of a run of its record, for datasets with pages.
        """
        with self.explained("read"):
            self.close_runs(run_ids, self.record, self._recounted, report)

    def settled(self, *, anywhere: bool = False, of_any_model: bool = False) -> Settled:
        """Videos with rows or failures of this fingerprint, in this folder or anywhere; the latest of each counts.

        of_any_model  whether those of other fingerprints count as well
        """
        with self.explained("read"):
            failures = set(parquet_files(self.place(FAILURES) if anywhere else self.place(FAILURES, self._folder)))
        done: dict[str, str] = {}
        failed: dict[str, FailedBefore] = {}
        for uri, table in self._read_in_order([*self._ledgers(anywhere), *failures]):
            if not of_any_model:
                table = self._ours(table)
            ids, contents = table["id"].to_pylist(), table["content"].to_pylist()
            if uri in failures:
                its = (table["code"].to_pylist(), contents, table["run_id"].to_pylist())
                failed |= zip(ids, map(FailedBefore, *its), strict=True)
            else:
                done |= zip(ids, contents, strict=True)
            for name in ids:
                (done if uri in failures else failed).pop(name, None)
        return Settled(done, failed)

    def failures_of(self, run_id: str) -> list[FailureRow]:
        """The failures of a run in this folder that no later run has withdrawn."""
        with self.explained("read"):
            shards = parquet_files(self.place(FAILURES, self._folder))
            ours = [uri for uri in shards if posixpath.basename(uri).startswith(f"part-{run_id}-")]
            return [FailureRow(**row) for table in self._read(ours) for row in table.to_pylist()]

    def withdraw(self, ids: pa.ChunkedArray) -> int:
        """Remove the rows of `ids`, whatever their fingerprint; returns how many there were beside failures."""
        if not len(ids):
            return 0
        with self.explained("written to"):
            failures = tables_with(self.writer, parquet_files(self.place(FAILURES, self._folder)), ids)
            if failures:
                with self.writer.changing(stored.uri for stored in failures):
                    for stored in failures:
                        remove_rows(self.writer, stored, ids)
            shards = self._shards()
            present = [read_table(shard, ["id"])["id"] for shard in shards]
            ours = pa.chunked_array([chunk for column in present for chunk in column.chunks], pa.string())
            bounds = np.cumsum([len(column) for column in present])[:-1]
            masks = np.split(mask_of(pc.is_in(ours, ids)), bounds)
            found = zip(shards, present, masks, strict=False)  # without shards there is a mask
            gone = [(shard, column.filter(pa.array(mask))) for shard, column, mask in found if mask.any()]
            return self._remove(gone, ledgers_first=True)

    def commit(
        self, number: int, shard: bytes | None, ledger: bytes | None, failures: Sequence[FailureRow] = ()
    ) -> None:
        """Make rows and failures visible; `number` names the run's commits, and one made twice writes the same."""
        name = self.shard_name(number)
        with self.explained("written to"):
            made = {self.place(LEDGER, self._folder, name): ledger, self.place(self._folder, name): shard}
            if failures:
                table = failure_table(failures).replace_schema_metadata(self.metadata)
                made[self.place(FAILURES, self._folder, name)] = encode_table(table)
            written = {uri: content for uri, content in made.items() if content is not None}
            with self.writer.changing(written):
                for uri, content in written.items():
                    self.writer.put(uri, content)
                    self.bytes_written += len(content)
            self.shards += shard is not None

    def _remove(self, gone: Sequence[tuple[str, pa.ChunkedArray]], *, ledgers_first: bool) -> int:
        """Remove rows, by shard; returns how many there were.

        Ids that are done again leave the ledgers first, those that another shard keeps the shards: what is cut short
        is found again, by the missing line or by the repeated one.
        """
        ledgers = set(parquet_files(self.place(LEDGER, self._folder))) if gone else set()
        removed = 0
        for group in groups(gone):
            pairs = [(shard, self.place(LEDGER, self._folder, posixpath.basename(shard)), ids) for shard, ids in group]
            with self.writer.changing(uri for shard, ledger, _ in pairs for uri in (shard, ledger)):
                for shard, ledger, ids in pairs:
                    uris = [uri for uri in (ledger, shard) if uri == shard or uri in ledgers]
                    tables = {uri: load_table(self.writer, uri) for uri in (uris if ledgers_first else reversed(uris))}
                    rows = {uri: remove_rows(self.writer, stored, ids) for uri, stored in tables.items()}
                    removed += rows[shard]
        return removed

    def _surplus(self, shards: Mapping[str, str]) -> dict[str, set[str]]:
        """By shard, the ids that a later one has, too; `shards` are URIs by name."""
        columns = [table["id"] for table in self._known.values()]
        ids = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
        if pc.count_distinct(ids).as_py() == len(ids):
            return {}
        columns_of = {
            uri: [table[name].to_pylist() for name in ("id", "content")] for uri, table in self._known.items()
        }
        return repeated([IndexedShard(shards[posixpath.basename(uri)], uri, *columns_of[uri]) for uri in columns_of])

    def _recounted(self, record: JobRecord) -> JobRecord:
        """The record with the counts of what its run has committed."""
        return record

    def _schema_of(self, uri: str) -> pa.Schema:
        if self._shard_of(uri) is not None:
            return LABEL_LEDGER_SCHEMA
        return FAILURE_SCHEMA if uri.startswith(f"{self.place(FAILURES)}/") else self.schema

    def _shard_of(self, uri: str) -> str | None:
        ledgers = f"{self.place(LEDGER)}/"
        return self.place(uri.removeprefix(ledgers)) if uri.startswith(ledgers) else None

    def _shards(self) -> list[str]:
        return parquet_files(self.place(self._folder))

    def _ledgers(self, anywhere: bool) -> list[str]:
        """Ledgers that have their shard."""
        with self.explained("read"):
            ledgers = parquet_files(self.place(LEDGER) if anywhere else self.place(LEDGER, self._folder))
            shards = set(parquet_files(self.root)) if anywhere else set(self._shards())
            shards -= {*ledgers, *(parquet_files(self.place(FAILURES)) if anywhere else ())}
        names = {_folder_and_name(uri) for uri in shards}
        return [uri for uri in ledgers if _folder_and_name(uri) in names]

    def _read_in_order(self, uris: Iterable[str]) -> Iterator[tuple[str, pa.Table]]:
        """Ledgers and failures, whatever their fingerprint, by folder and name."""
        ordered = sorted(uris, key=_folder_and_name)
        with self.explained("read"):
            yield from zip(ordered, self._read(ordered), strict=True)

    def _read(self, uris: Sequence[str]) -> Iterator[pa.Table]:
        """The tables of these files, those that `prepare` has read without reading them again."""
        known = {uri: self._known.pop(uri) for uri in uris if uri in self._known}
        with ThreadPoolExecutor(MAX_REQUESTS) as pool:
            yield from pool.map(lambda uri: known[uri] if uri in known else read_table(uri), uris)

    def _ours(self, table: pa.Table) -> pa.Table:
        is_ours = (table.schema.metadata or {}).get(FINGERPRINT_KEY.encode()) == self._fingerprint.encode()
        return (table if is_ours else table.slice(0, 0)).replace_schema_metadata()


def _folder_and_name(uri: str) -> tuple[str, str]:
    folder, name = posixpath.split(uri)
    return posixpath.basename(folder), name


def mask_of(array: pa.ChunkedArray) -> NDArray[np.bool_]:
    """A column of true and false as an array."""
    values: NDArray[np.bool_] = array.to_numpy().astype(bool)
    return values
