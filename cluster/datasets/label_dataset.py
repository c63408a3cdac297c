"""Labels on disk or in a bucket, and the one place that commits to them.

    date=YYYY-MM-DD/part-RUN-00000.parquet           labels of videos, as given on that day
    ledger/date=YYYY-MM-DD/part-RUN-00000.parquet    their ids, and what they, or the features that they are of, were
                                                     made from
    failures/date=YYYY-MM-DD/part-RUN-00000.parquet  videos that have no labels, with the reason
    runs/RUN.json                                    what each run did
    lease.json                                       while a run is writing: which one

Within a day every id has one row, among the labels or the failures. All three name in their metadata the manner of the
labels: the model, and how labels are chosen.

A ledger is written before its shard and counts once that is there. Rows that are to be replaced are withdrawn before
the new ones are made, from the ledger first: whatever a crash leaves in between, an id without a line in a ledger or
among the failures is still to be done, and what shards hold of it is withdrawn before.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.datasets.increment import FailedBefore, Settled
from cluster.storage import files
from cluster.storage.lease import Lease, LeaseError
from cluster.storage.listing import list_files
from cluster.storage.parquet import TableError, read_table, remove_rows, write_table
from schemas.failures import FailureRow, failure_table
from schemas.labels import LABEL_LEDGER_SCHEMA, LABEL_SCHEMA
from schemas.videos import is_same_content

MANNER_KEY = "framemill.manner"
LEDGER, FAILURES = "ledger", "failures"
MAX_REQUESTS = 16  # at the same time


class LabelDatasetError(Exception):
    """The labels cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True)
class Labelled:
    """Videos that have labels of one manner, and what their features were made from then."""

    ids: pa.ChunkedArray
    contents: pa.ChunkedArray

    def is_current(self, ids: pa.ChunkedArray, contents: pa.ChunkedArray) -> NDArray[np.bool_]:
        """Which of the videos have labels of the features that they have now."""
        then = self.contents.take(pc.index_in(ids, self.ids))
        is_current: NDArray[np.bool_] = _mask(pc.fill_null(pc.equal(then, contents), False))
        for row in np.flatnonzero(_mask(then.is_valid()) & ~is_current).tolist():  # few, and most of them have changed
            is_current[row] = is_same_content(then[row].as_py(), contents[row].as_py())
        return is_current


class LabelDataset:
    """The labels at `root`, of one day. One run writes at a time."""

    def __init__(self, root: str, *, date: str, run_id: str, manner: Mapping[str, str]) -> None:
        self.root = root
        self._day = f"date={date}"
        self._run_id = run_id
        self._manner = json.dumps(dict(manner), sort_keys=True)
        self._lease: Lease | None = None
        self.bytes_written = 0
        self.shards = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What shards and ledgers of this run carry."""
        return {MANNER_KEY: self._manner, "framemill.run_id": self._run_id}

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Be the one run that writes. Raises `LabelDatasetError` where another is, or where nothing can be written."""
        lease = Lease(files.join(self.root, "lease.json"), self._run_id)
        try:
            lease.acquire()
        except LeaseError as error:
            raise LabelDatasetError(str(error)) from error
        except (OSError, files.StorageError) as error:
            raise LabelDatasetError(
                f"{self.root} cannot be written to: {error}\nGive --labels another place"
            ) from error
        self._lease = lease
        try:
            yield lease
        finally:
            self._lease = None
            lease.release()

    def prepare(self) -> None:
        """Clear what runs that died have left half done. To be called with the lease."""
        with self._stated("written to"):
            of_the_day = (self._place(*folder, self._day) for folder in ((), (LEDGER,), (FAILURES,)))
            for folder in (self.root, self._place("runs"), *of_the_day):
                files.sweep_temporaries(folder)
            shards = {posixpath.basename(uri) for uri in self._shards()}
            for ledger in _tables_in(self._place(LEDGER, self._day)):
                if posixpath.basename(ledger) not in shards:
                    files.delete(ledger)

    def labelled(self, *, on_any_day: bool) -> Labelled:
        """What has labels of this manner already, on this day or on any; the latest of them."""
        tables = [table for _, table in self._tables_of_manner(self._ledgers(on_any_day))]
        latest_first = pa.concat_tables([*reversed(tables), LABEL_LEDGER_SCHEMA.empty_table()])
        return Labelled(*latest_first.columns)

    def settled(self, *, on_any_day: bool) -> Settled:
        """What was labelled in this manner or has failed, on this day or on any; the latest of each video counts."""
        with self._stated("read"):
            failures = set(_tables_in(self._place(FAILURES) if on_any_day else self._place(FAILURES, self._day)))
        done: dict[str, str] = {}
        failed: dict[str, FailedBefore] = {}
        for uri, table in self._tables_of_manner([*self._ledgers(on_any_day), *failures]):
            ids, contents = table["id"].to_pylist(), table["content"].to_pylist()
            if uri in failures:
                failed |= zip(ids, map(FailedBefore, table["code"].to_pylist(), contents), strict=True)
            else:
                done |= zip(ids, contents, strict=True)
            for name in ids:
                (done if uri in failures else failed).pop(name, None)
        return Settled(done, failed)

    def withdraw(self, ids: pa.ChunkedArray) -> int:
        """Take rows of the day out, of whatever manner they are; returns how many there were with labels."""
        withdrawn = 0
        with self._stated("written to"):
            for uri in _tables_in(self._place(FAILURES, self._day)) if len(ids) else []:
                self._check_lease()
                remove_rows(uri, ids)
            shards = self._shards() if len(ids) else []
            present = [read_table(shard, ["id"])["id"] for shard in shards]
            ours = pa.chunked_array([chunk for column in present for chunk in column.chunks], pa.string())
            bounds = np.cumsum([len(column) for column in present])[:-1]
            masks = np.split(_mask(pc.is_in(ours, ids)), bounds)
            for shard, column, is_gone in zip(shards, present, masks, strict=False):  # without shards there is a mask
                if not is_gone.any():
                    continue
                gone = column.filter(pa.array(is_gone))
                self._check_lease()
                ledger = self._place(LEDGER, self._day, posixpath.basename(shard))
                if files.exists(ledger):
                    remove_rows(ledger, gone)
                withdrawn += remove_rows(shard, gone)
        return withdrawn

    def commit(
        self, number: int, shard: bytes | None, ledger: bytes | None, failures: Sequence[FailureRow] = ()
    ) -> None:
        """Make labels and failures visible; `number` names the run's commits, and one made twice writes the same."""
        name = f"part-{self._run_id}-{number:05d}.parquet"
        with self._stated("written to"):
            self._check_lease()
            if shard is not None and ledger is not None:
                files.write_bytes(self._place(LEDGER, self._day, name), ledger)
                files.write_bytes(self._place(self._day, name), shard)
                self.shards += 1
                self.bytes_written += len(shard) + len(ledger)
            if failures:
                table = failure_table(failures).replace_schema_metadata(self.metadata)
                self.bytes_written += write_table(self._place(FAILURES, self._day, name), table)

    def tables(self) -> Iterator[pa.Table]:
        """The day's labels of this manner, shard by shard; raises `LabelDatasetError` for what is no label shard."""
        with self._stated("read"):
            for shard in self._shards():
                table = read_table(shard)
                if table.schema.remove_metadata() != LABEL_SCHEMA:
                    raise LabelDatasetError(f"{shard} is no label shard: it has {', '.join(table.column_names)}")
                yield self._of_manner(table)

    def write_run(self, text: str, run_id: str = "") -> None:
        """Write a run's record: this run's, or that of another."""
        with self._stated("written to"):
            files.write_bytes(self.run_uri(run_id), text.encode())

    def run_uri(self, run_id: str = "") -> str:
        """Where a run's record goes."""
        return self._place("runs", f"{run_id or self._run_id}.json")

    def _place(self, *parts: str) -> str:
        return files.join(self.root, *parts)

    def _shards(self) -> list[str]:
        return _tables_in(self._place(self._day))

    def _ledgers(self, on_any_day: bool) -> list[str]:
        """Those that count, by day and name."""
        with self._stated("read"):
            ledgers = _tables_in(self._place(LEDGER) if on_any_day else self._place(LEDGER, self._day))
            shards = set(_tables_in(self.root)) if on_any_day else set(self._shards())
            shards -= {*ledgers, *(_tables_in(self._place(FAILURES)) if on_any_day else ())}
        names = {_day_and_name(uri) for uri in shards}
        return [uri for uri in ledgers if _day_and_name(uri) in names]

    def _tables_of_manner(self, uris: Iterable[str]) -> Iterator[tuple[str, pa.Table]]:
        """Ledgers and failures, each with its rows of this manner, by day and name."""
        ordered = sorted(uris, key=_day_and_name)
        with self._stated("read"), ThreadPoolExecutor(MAX_REQUESTS) as pool:
            for uri, table in zip(ordered, pool.map(read_table, ordered), strict=True):
                yield uri, self._of_manner(table)

    def _of_manner(self, table: pa.Table) -> pa.Table:
        is_ours = (table.schema.metadata or {}).get(MANNER_KEY.encode()) == self._manner.encode()
        return (table if is_ours else table.slice(0, 0)).replace_schema_metadata()

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.check()

    @contextmanager
    def _stated(self, cannot: str) -> Iterator[None]:
        try:
            yield
        except (TableError, LeaseError) as error:
            raise LabelDatasetError(str(error)) from error
        except (OSError, files.StorageError) as error:
            advice = "What is committed there stays; mend this and run again"
            raise LabelDatasetError(f"{self.root} cannot be {cannot}: {error}\n{advice}") from error


def _tables_in(folder: str) -> list[str]:
    if not files.exists(folder):
        return []
    return [file.uri for file in list_files(folder) if file.uri.endswith(".parquet")]


def _day_and_name(uri: str) -> tuple[str, str]:
    folder, name = posixpath.split(uri)
    return posixpath.basename(folder), name


def _mask(array: pa.ChunkedArray) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = array.to_numpy().astype(bool)
    return values
