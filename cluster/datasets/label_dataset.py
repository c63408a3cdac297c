"""A label dataset: the one place that commits labels and failures to it.

    date=YYYY-MM-DD/part-RUN-00000.parquet           labels of videos, as given on that day
    ledger/date=YYYY-MM-DD/part-RUN-00000.parquet    their ids, and what they, or the features that they are of, were
                                                     made from
    failures/date=YYYY-MM-DD/part-RUN-00000.parquet  videos that have no labels, with the reason
    runs/, lease.json                                as in `cluster.datasets.folder`

Within a day every id has one row, among the labels or the failures. The metadata of all three files hold the label
fingerprint: the model, and how labels are chosen.

Labels have a timeline beside them (`schemas.timelines`) where the run that wrote them asked for it.

A ledger is written before its shard and counts once that is there. Rows that are to be replaced are withdrawn before
the new ones are made, from the ledger first: whatever a crash leaves in between, an id without a line in a ledger or
among the failures is still to be scored, and its rows in shards are withdrawn before.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.datasets.committed import committed_labels
from cluster.datasets.folder import DatasetError, DatasetFolder, parquet_files
from cluster.datasets.increment import FailedBefore, Settled
from cluster.datasets.shard_index import IndexedShard, repeated
from cluster.datasets.tables import groups, load_table, remove_rows, store_table, tables_with
from cluster.storage.parquet import column_names, encode_table, read_columns, read_table
from schemas.failures import FAILURE_SCHEMA, FailureRow, failure_table
from schemas.labels import LABEL_LEDGER_SCHEMA, LABEL_SCHEMA
from schemas.scorings import ScoringRecord
from schemas.videos import is_same_content

FINGERPRINT_KEY = "framemill.manner"  # in the metadata of Parquet files
LEDGER, FAILURES = "ledger", "failures"
MAX_REQUESTS = 16  # at the same time


@dataclass(frozen=True)
class Labelled:
    """Videos that have labels of one fingerprint, and what their features were made from then."""

    ids: pa.ChunkedArray
    contents: pa.ChunkedArray

    def is_current(self, ids: pa.ChunkedArray, contents: pa.ChunkedArray) -> NDArray[np.bool_]:
        """(n,) whether each video has labels of its current content."""
        then = self.contents.take(pc.index_in(ids, self.ids))
        is_current: NDArray[np.bool_] = _mask(pc.fill_null(pc.equal(then, contents), False))
        for row in np.flatnonzero(_mask(then.is_valid()) & ~is_current).tolist():  # few, most of which have changed
            is_current[row] = is_same_content(then[row].as_py(), contents[row].as_py())
        return is_current


class LabelDataset(DatasetFolder):
    """The label dataset at `root`, of one day. One run writes at a time."""

    elsewhere: ClassVar[str] = "Give --labels another place"

    def __init__(self, root: str, *, date: str, run_id: str, label_fingerprint: Mapping[str, str]) -> None:
        super().__init__(root, run_id=run_id)
        self._day = f"date={date}"
        self._fingerprint = json.dumps(dict(label_fingerprint), sort_keys=True)
        self.shards = 0
        self._known: dict[str, pa.Table] = {}  # ledgers, once

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of all Parquet files of this run."""
        return {FINGERPRINT_KEY: self._fingerprint, "framemill.run_id": self.run_id}

    def prepare(self) -> None:
        """Clear what runs that died have left half done; the caller holds the lease."""
        with self.explained("written to"):
            self.sweep_temporaries(self.place(*parent, self._day) for parent in ((), (LEDGER,), (FAILURES,)))
            self.fence(self._schema_of, self._shard_of)
            shards = {posixpath.basename(uri): uri for uri in self._shards()}
            ledgers = parquet_files(self.place(LEDGER, self._day))
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

    def close_records(self, run_ids: Iterable[str]) -> None:
        """Mark runs that died as such in their records, with the labels that they have committed, after `prepare`."""
        with self.explained("read"):
            self.close_runs(run_ids, ScoringRecord, self._recounted)

    def labelled(self, *, on_any_day: bool) -> Labelled:
        """Videos that have labels of this fingerprint, of this day or of any; the latest of each."""
        tables = [table for _, table in self._read_ours(self._ledgers(on_any_day))]
        latest_first = pa.concat_tables([*reversed(tables), LABEL_LEDGER_SCHEMA.empty_table()])
        return Labelled(*latest_first.columns)

    def settled(self, *, on_any_day: bool) -> Settled:
        """Videos with labels or failures of this fingerprint, of this day or of any; the latest of each counts."""
        with self.explained("read"):
            failures = set(parquet_files(self.place(FAILURES) if on_any_day else self.place(FAILURES, self._day)))
        done: dict[str, str] = {}
        failed: dict[str, FailedBefore] = {}
        for uri, table in self._read_ours([*self._ledgers(on_any_day), *failures]):
            ids, contents = table["id"].to_pylist(), table["content"].to_pylist()
            if uri in failures:
                its = (table["code"].to_pylist(), contents, table["run_id"].to_pylist())
                failed |= zip(ids, map(FailedBefore, *its), strict=True)
            else:
                done |= zip(ids, contents, strict=True)
            for name in ids:
                (done if uri in failures else failed).pop(name, None)
        return Settled(done, failed)

    def withdraw(self, ids: pa.ChunkedArray) -> int:
        """Remove the day's rows of `ids`, whatever their fingerprint; returns how many of them had labels."""
        if not len(ids):
            return 0
        with self.explained("written to"):
            failures = tables_with(self.writer, parquet_files(self.place(FAILURES, self._day)), ids)
            if failures:
                with self.writer.changing(stored.uri for stored in failures):
                    for stored in failures:
                        remove_rows(self.writer, stored, ids)
            shards = self._shards()
            present = [read_table(shard, ["id"])["id"] for shard in shards]
            ours = pa.chunked_array([chunk for column in present for chunk in column.chunks], pa.string())
            bounds = np.cumsum([len(column) for column in present])[:-1]
            masks = np.split(_mask(pc.is_in(ours, ids)), bounds)
            found = zip(shards, present, masks, strict=False)  # without shards there is a mask
            gone = [(shard, column.filter(pa.array(mask))) for shard, column, mask in found if mask.any()]
            return self._remove(gone, ledgers_first=True)

    def commit(
        self, number: int, shard: bytes | None, ledger: bytes | None, failures: Sequence[FailureRow] = ()
    ) -> None:
        """Make labels and failures visible; `number` names the run's commits, and one made twice writes the same."""
        name = self.shard_name(number)
        with self.explained("written to"):
            made = {self.place(LEDGER, self._day, name): ledger, self.place(self._day, name): shard}
            if failures:
                table = failure_table(failures).replace_schema_metadata(self.metadata)
                made[self.place(FAILURES, self._day, name)] = encode_table(table)
            written = {uri: content for uri, content in made.items() if content is not None}
            with self.writer.changing(written):
                for uri, content in written.items():
                    self.writer.put(uri, content)
                    self.bytes_written += len(content)
            self.shards += shard is not None

    def tables(self, schema: pa.Schema = LABEL_SCHEMA) -> Iterator[pa.Table]:
        """The day's labels of this fingerprint, shard by shard; raises `DatasetError` for any other file.

        With `TIMELINE_LABEL_SCHEMA` they have their timelines and events, with `EVENTS_SCHEMA` no more than their
        events; of shards without these there are none.
        """
        untimed = pa.schema([field for field in schema if field.name in LABEL_SCHEMA.names])
        with self.explained("read"):
            for shard in self._shards():
                table = self._ours(read_columns(shard, schema.names))
                if table.schema == schema:
                    yield table
                elif table.schema != untimed or not set(LABEL_SCHEMA.names) <= set(column_names(shard)):
                    raise DatasetError(f"{shard} is no label shard: it has {', '.join(column_names(shard))}")

    def _remove(self, gone: Sequence[tuple[str, pa.ChunkedArray]], *, ledgers_first: bool) -> int:
        """Remove rows of the day, by shard; returns how many there were.

        Ids that are scored again leave the ledgers first, those that another shard keeps the shards: what is cut short
        is found again, by the missing line or by the repeated one.
        """
        ledgers = set(parquet_files(self.place(LEDGER, self._day))) if gone else set()
        removed = 0
        for group in groups(gone):
            pairs = [(shard, self.place(LEDGER, self._day, posixpath.basename(shard)), ids) for shard, ids in group]
            with self.writer.changing(uri for shard, ledger, _ in pairs for uri in (shard, ledger)):
                for shard, ledger, ids in pairs:
                    uris = [uri for uri in (ledger, shard) if uri == shard or uri in ledgers]
                    tables = {uri: load_table(self.writer, uri) for uri in (uris if ledgers_first else reversed(uris))}
                    rows = {uri: remove_rows(self.writer, stored, ids) for uri, stored in tables.items()}
                    removed += rows[shard]
        return removed

    def _surplus(self, shards: Mapping[str, str]) -> dict[str, set[str]]:
        """By shard, the ids that a later one of the day has, too; `shards` are URIs by name."""
        columns = [table["id"] for table in self._known.values()]
        ids = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
        if pc.count_distinct(ids).as_py() == len(ids):
            return {}
        columns_of = {
            uri: [table[name].to_pylist() for name in ("id", "content")] for uri, table in self._known.items()
        }
        return repeated([IndexedShard(shards[posixpath.basename(uri)], uri, *columns_of[uri]) for uri in columns_of])

    def _recounted(self, record: ScoringRecord) -> ScoringRecord:
        day = f"date={record.date}"
        return committed_labels(record, self.place(day), self.place(LEDGER, day), self.place(FAILURES, day))

    def _schema_of(self, uri: str) -> pa.Schema:
        if self._shard_of(uri) is not None:
            return LABEL_LEDGER_SCHEMA
        return FAILURE_SCHEMA if uri.startswith(f"{self.place(FAILURES)}/") else LABEL_SCHEMA

    def _shard_of(self, uri: str) -> str | None:
        ledgers = f"{self.place(LEDGER)}/"
        return self.place(uri.removeprefix(ledgers)) if uri.startswith(ledgers) else None

    def _shards(self) -> list[str]:
        return parquet_files(self.place(self._day))

    def _ledgers(self, on_any_day: bool) -> list[str]:
        """Ledgers that have their shard."""
        with self.explained("read"):
            ledgers = parquet_files(self.place(LEDGER) if on_any_day else self.place(LEDGER, self._day))
            shards = set(parquet_files(self.root)) if on_any_day else set(self._shards())
            shards -= {*ledgers, *(parquet_files(self.place(FAILURES)) if on_any_day else ())}
        names = {_day_and_name(uri) for uri in shards}
        return [uri for uri in ledgers if _day_and_name(uri) in names]

    def _read_ours(self, uris: Iterable[str]) -> Iterator[tuple[str, pa.Table]]:
        """Ledgers and failures, each with its rows of this fingerprint, by day and name."""
        ordered = sorted(uris, key=_day_and_name)
        with self.explained("read"):
            for uri, table in zip(ordered, self._read(ordered), strict=True):
                yield uri, self._ours(table)

    def _read(self, uris: Sequence[str]) -> Iterator[pa.Table]:
        """The tables of these files, those that `prepare` has read without reading them again."""
        known = {uri: self._known.pop(uri) for uri in uris if uri in self._known}
        with ThreadPoolExecutor(MAX_REQUESTS) as pool:
            yield from pool.map(lambda uri: known[uri] if uri in known else read_table(uri), uris)

    def _ours(self, table: pa.Table) -> pa.Table:
        is_ours = (table.schema.metadata or {}).get(FINGERPRINT_KEY.encode()) == self._fingerprint.encode()
        return (table if is_ours else table.slice(0, 0)).replace_schema_metadata()


def _day_and_name(uri: str) -> tuple[str, str]:
    folder, name = posixpath.split(uri)
    return posixpath.basename(folder), name


def _mask(array: pa.ChunkedArray) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = array.to_numpy().astype(bool)
    return values
