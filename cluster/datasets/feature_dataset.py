"""A feature dataset: the one place that commits features and failures to it.

    features/part-RUN-00000.parquet   rows that are done
    ledger/part-RUN-00000.parquet     their ids and contents; counts once the shard of its name is there
    failures/part-RUN-00000.parquet   videos without a row, with the reason
    …/part-RUN-00000_0001.parquet     what a compaction has made of it and of earlier ones (`schemas.replaced`)
    index/                            the lines of many ledgers in few files (`ledger_index`)
    vocabulary.csv                    as in `cluster.datasets.annotated_dataset`
    runs/, lease.json                 as in `cluster.datasets.folder`

Every id is in `features` or in `failures`, never in both: a video that succeeds after having failed leaves `failures`
right after its row is committed, and `prepare` clears what a crash left in between. The row of a video whose
content has changed is withdrawn before the video is extracted again.

No id has two rows: a run that was overtaken changes nothing more (`cluster.storage.fence`). Where a store could not
prevent it, or an earlier release did not, `prepare` keeps the row of the latest run.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pyarrow as pa

from cluster.datasets.annotated_dataset import AnnotatedDataset
from cluster.datasets.committed import committed_features
from cluster.datasets.folder import DatasetError
from cluster.datasets.increment import FailedBefore, Settled
from cluster.datasets.ledger_index import newest_index, write_index
from cluster.datasets.partitioning import COUNT_FILE, begin_partition, check_partitioning
from cluster.datasets.partitions import PARTS, WHOLE, Partition
from cluster.datasets.settled_rows import SettledFile, SettledPart, SettledRows, all_gone
from cluster.datasets.shard_index import IndexedShard
from cluster.datasets.stored_settings import differences, other_settings, schema_beside, settings_of, stored_schema
from cluster.datasets.tables import StoredTable, groups, load_table, remove_rows, store_table, tables_with
from cluster.datasets.vocabulary import read_vocabulary
from cluster.storage import files
from cluster.storage.parquet import encode_on_disk
from schemas.failures import FAILURE_SCHEMA, FailureRow, failure_table
from schemas.features import SCHEMA_VERSION, FeatureRow, feature_schema, feature_table
from schemas.fingerprint import fingerprint_metadata
from schemas.ledger import (
    FIRST_REVISION,
    LEDGER_SCHEMA,
    REVISION_KEY,
    LedgerRow,
    ledger_table,
    without_content,
)
from schemas.runs import RunRecord

FOLDERS = ("features", "ledger", "failures")
ROW_FOLDERS = ("features", "ledger")
INDEX = "index"
FEW_FILES = 256  # which are read in one part, and need no index
MOST_UNINDEXED = 1 / 32  # of all files, before they are indexed anew


def ledger_of(shard: str) -> str | None:
    """Where the ledger of a shard would be; None for a file that is not below `features/`."""
    root, is_below, name = shard.rpartition("/features/")
    return f"{root}/ledger/{name}" if is_below else None


class FeatureDataset(AnnotatedDataset):
    """The feature dataset at `root`. One run writes at a time.

    fingerprint  how this run makes features; `option_of` has the options that its parts follow from, for messages
    partition    of the ids, which the run works on alone (`cluster.datasets.partitioning`)
    revision     of the sampling (`schemas.ledger`)
    note         kept in the metadata of the shards
    """

    def __init__(
        self,
        root: str,
        *,
        run_id: str,
        rgb_dim: int,
        frame_features: bool,
        fingerprint: Mapping[str, str],
        revision: str = FIRST_REVISION,
        option_of: Mapping[str, str] | None = None,
        note: str = "",
        partition: Partition = WHOLE,
    ) -> None:
        super().__init__(root, run_id=run_id, partition=partition)
        self._schema = feature_schema(rgb_dim, frame_features=frame_features)
        self._metadata = {
            "framemill.schema_version": SCHEMA_VERSION,
            **fingerprint_metadata(fingerprint),
            "framemill.run_id": run_id,
            REVISION_KEY: revision,
            **({"framemill.note": note} if note else {}),
        }
        self._fingerprint = dict(fingerprint)
        self.revision = revision
        self._option_of = option_of or {}
        self._shard_names: set[str] = set()

    def check(self, unknown: Collection[str] = ()) -> bool:
        """Make sure that this run's rows can be added, and tell whether it is known how they are made. Writes nothing.

        unknown  parts of the fingerprint that are not known yet, and not compared

        Raises:
            DatasetError: where they cannot.
        """
        files.check_writable(self.root)
        begun = check_partitioning(self.root, self.partition, FOLDERS)
        stored = stored_schema(self.root)
        problems: list[str] = []
        remedy = "Give the same options, or write to another place"
        if stored is not None:
            self._schema = schema_beside(stored, self._schema)
            problems = differences(stored, self._schema, self._fingerprint, unknown, self._option_of)
        elif begun is not None:
            problems = other_settings(begun.settings, self._settings, unknown, self._option_of)
            remedy += f"; where no run is at work, remove {self.place(COUNT_FILE)} to begin anew"
        if problems:
            lines = "\n".join(f"  - {line}" for line in problems)
            raise DatasetError(f"{self.root} was extracted with other options:\n{lines}\n{remedy}")
        read_vocabulary(self.vocabulary_uri())
        return stored is not None or begun is not None

    @property
    def _settings(self) -> dict[str, str]:
        return settings_of(self._schema, self._fingerprint)

    def settled(self) -> Settled:
        """What earlier runs have settled. Raises `DatasetError` for files that cannot be read. Writes nothing."""
        with closing(self.settled_rows()) as rows:
            return rows.part(0).settled(self.revision)

    def failed(self) -> dict[str, FailedBefore]:
        """The videos that earlier runs have not mended, by id. Raises `DatasetError` as `settled` does."""
        with closing(self.settled_rows(of=("failures",))) as rows:
            return dict(rows.part(0).settled(self.revision).failed)

    def prepare(self) -> Settled:
        """Clear what runs that died have left half done, and read what is settled; the caller holds the lease."""
        self.clear()
        with closing(self.settled_rows()) as rows:
            return self.repaired(rows.part(0)).settled(self.revision)

    def clear(self) -> None:
        """Make sure that a run that died changes nothing more; the caller holds the lease, and repairs each part."""
        with self.explained("written to"):
            begin_partition(self.root, self.partition, FOLDERS, self.run_id, self._settings)
            self.check()  # another run may have written since
            shared = self.shared_folders if self.partition == WHOLE else []  # others may be writing there
            self.sweep_temporaries([*shared, *map(self._own, (*FOLDERS, INDEX))])
            self.fence(self._schema_of, self._shard_of)

    def settled_rows(self, *, in_parts: bool | None = False, of: Collection[str] = FOLDERS) -> SettledRows:
        """The lines of what is settled, by files of these folders; None for in parts where they are many.

        To be closed. Writes nothing.
        """
        with self.explained("read"):
            settled = self.settled_files(of)
            is_many = len(settled) > FEW_FILES if in_parts is None else in_parts
            count = PARTS if is_many else 1
            rows = SettledRows(settled, count, self.partition, newest_index(self._own(INDEX)) if is_many else None)
            rows.read()
        return rows

    def index_ledger(self) -> None:
        """Write an index of ledgers and failures, where many are in none; the caller holds the lease."""
        with self.explained("written to"):
            settled = self.settled_files()
            if len(settled) <= FEW_FILES:
                return
            folder = self._own(INDEX)
            with closing(SettledRows(settled, PARTS, self.partition, newest_index(folder))) as rows:
                unindexed = rows.unindexed
                if len(unindexed) > max(FEW_FILES, len(settled) * MOST_UNINDEXED):
                    rows.read()
                    parts = (rows.part(number).lines for number in range(PARTS))
                    write_index(self.writer, folder, self.run_id, rows.files_table(), parts)

    def settled_files(self, of: Collection[str] = FOLDERS) -> list[SettledFile]:
        """The files that say what is settled, those of these folders."""
        with ThreadPoolExecutor(len(FOLDERS)) as pool:
            listed = pool.map(lambda folder: self._stored(folder) if folder in of else [], FOLDERS)
            shards, its_ledgers, failures = listed
        ledgers = {posixpath.basename(file.uri): file for file in its_ledgers}
        pairs = [(shard, ledgers.get(posixpath.basename(shard.uri), shard)) for shard in shards]
        return [
            *(SettledFile(file.uri, shard.uri, file.version) for shard, file in pairs),
            *(SettledFile(file.uri, None, file.version) for file in failures),
        ]

    def repaired(self, part: SettledPart) -> SettledPart:
        """The part without what runs that died have left half done, which is cleared."""
        with self.explained("written to"):
            gone, twice = all_gone(part)
            self.log_repair(twice)
            if gone:
                ids = set[str]().union(*gone.values())
                self._remove([(shard, gone[shard.uri]) for shard, _ in part.shards_with(ids) if shard.uri in gone])
                part = part.without(gone)
            part = self._without_repeated_failures(part)
            part, mended, uris = part.mended()
            if mended:
                forgotten = [load_table(self.writer, uri) for uri in uris]
                with self.writer.changing(uris):
                    self._forget(forgotten, mended)
        return part

    def _without_repeated_failures(self, part: SettledPart) -> SettledPart:
        """The part with one failure for each video, the latest."""
        twice = part.repeated_failures()
        for group in groups(list(twice)):
            with self.writer.changing(group):
                for uri in group:
                    remove_rows(self.writer, load_table(self.writer, uri), twice[uri])
        return part.without(twice)

    def withdraw(self, ids: Collection[str], part: SettledPart | None = None) -> None:
        """Take rows out of the shards: what readers see holds none of these ids any more.

        The ledger is marked first, so that a withdrawal that was cut short is finished by the next `repaired`.

        part  the one that holds them, where it is at hand
        """
        if not ids:
            return
        if part is None:
            with closing(self.settled_rows(of=ROW_FOLDERS)) as rows:
                part = rows.part(0)
        with self.explained("written to"):
            self._remove(part.shards_with(ids))

    def check_row(self, row: FeatureRow) -> None:
        """Raise an exception for a row that cannot be stored, which would cost all others of its commit."""
        feature_table([row], self._schema, {})

    def commit(
        self,
        number: int,
        rows: Sequence[tuple[FeatureRow, str]],
        failures: Sequence[FailureRow],
        retried: Collection[str],
        failure_files: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Make rows (each with its video's content) and failures visible; `retried` ids had failed before.

        failure_files  which of these failures is in which files, where that is known

        `number` names the run's commits. A commit that was cut short can be made again under its number: it writes
        the same files. Raises `DatasetError` where nothing can be written, `LeaseError` where another run holds the
        lease by now.
        """
        name = self.shard_name(number)
        again = {name for name in (*(row.id for row, _ in rows), *(one.id for one in failures)) if name in retried}
        with self.explained("written to"):
            known = None if failure_files is None else {uri for name in again for uri in failure_files[name]}
            uris = self._files("failures") if known is None else sorted(filter(files.exists, known))
            forgotten = tables_with(self.writer, uris, again) if again else []
            folders = [*(("ledger", "features") if rows else ()), *(("failures",) if failures else ())]
            new = [self._own(folder, name) for folder in folders]
            with self.writer.changing([*new, *(stored.uri for stored in forgotten)]):
                if rows:
                    ledger = [LedgerRow(row.id, row.uri, content) for row, content in rows]
                    self._write("ledger", name, ledger_table(ledger, self.revision))
                    self._write("features", name, feature_table([row for row, _ in rows], self._schema, self._metadata))
                    self._shard_names.add(name)
                self._forget(forgotten, again)
                if failures:
                    self._write("failures", name, failure_table(failures))

    def close_records(self, run_ids: Iterable[str], report: Callable[[RunRecord], str]) -> None:
        """Mark runs that died as such in their records, with the rows that they have committed, after `prepare`."""
        with self.explained("read"):
            self.close_runs(
                run_ids, RunRecord, lambda record: committed_features(record, *map(self.place, FOLDERS)), report
            )

    @property
    def shards(self) -> int:
        """How many feature shards this run has written."""
        return len(self._shard_names)

    def is_empty(self) -> bool:
        """Whether there is no row yet."""
        return not self._files("features")

    def _remove(self, gone: Sequence[tuple[IndexedShard, Collection[str]]]) -> None:
        """Withdraw rows, by shard."""
        for group in groups(gone):
            with self.writer.changing(uri for shard, _ in group for uri in shard.uris):
                for shard, ids in group:
                    if shard.ledger is None:
                        remove_rows(self.writer, load_table(self.writer, shard.uri), ids)
                        continue
                    ledger, rows = (load_table(self.writer, uri) for uri in (shard.ledger, shard.uri))
                    ledger, _ = store_table(self.writer, ledger, without_content(ledger.table, ids))
                    remove_rows(self.writer, rows, ids)
                    remove_rows(self.writer, ledger, ids)

    def _forget(self, failures: Sequence[StoredTable], ids: Collection[str]) -> None:
        for stored in failures:
            remove_rows(self.writer, stored, ids)

    def _schema_of(self, uri: str) -> pa.Schema:
        schemas = {"features": self._schema.with_metadata(self._metadata), "ledger": LEDGER_SCHEMA}
        return schemas.get(self._folder_of(uri), FAILURE_SCHEMA)

    def _shard_of(self, uri: str) -> str | None:
        return self._own("features", posixpath.basename(uri)) if self._folder_of(uri) == "ledger" else None

    def _folder_of(self, uri: str) -> str:
        return uri.removeprefix(self.place("")).partition("/")[0]

    def _write(self, folder: str, name: str, table: pa.Table) -> None:
        data = encode_on_disk(table)
        self.writer.put(self._own(folder, name), data)
        self.bytes_written += len(data)
