"""A feature dataset: the one place that commits features and failures to it.

    features/part-RUN-00000.parquet   rows that are done
    ledger/part-RUN-00000.parquet     their ids and contents; counts once the shard of its name is there
    failures/part-RUN-00000.parquet   videos without a row, with the reason
    vocabulary.csv                    class names, where labels were given by name
    runs/, lease.json                 as in `cluster.datasets.folder`

Every id is in `features` or in `failures`, never in both: a video that succeeds after having failed leaves `failures`
right after its row is committed, and `prepare` clears what a crash left in between. The row of a video whose
content has changed is withdrawn before the video is extracted again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.datasets.folder import DatasetError, DatasetFolder, parquet_files
from cluster.datasets.increment import FailedBefore, Settled
from cluster.datasets.vocabulary import VOCABULARY_FILE
from cluster.storage import files
from cluster.storage.parquet import read_table, remove_rows, write_table
from schemas.failures import FailureRow, failure_table
from schemas.features import SCHEMA_VERSION, FeatureRow, feature_schema, feature_table
from schemas.fingerprint import fingerprint_metadata, fingerprint_of
from schemas.ledger import LedgerRow, ledger_table, without_content

FOLDERS = ("features", "ledger", "failures")


class FeatureDataset(DatasetFolder):
    """The feature dataset at `root`. One run writes at a time."""

    def __init__(
        self,
        root: str,
        *,
        run_id: str,
        rgb_dim: int,
        frame_features: bool,
        fingerprint: Mapping[str, str],
        note: str = "",
    ) -> None:
        super().__init__(root, run_id=run_id)
        self._schema = feature_schema(rgb_dim, frame_features=frame_features)
        self._metadata = {
            "framemill.schema_version": SCHEMA_VERSION,
            **fingerprint_metadata(fingerprint),
            "framemill.run_id": run_id,
            **({"framemill.note": note} if note else {}),
        }
        self._fingerprint = dict(fingerprint)
        self._shard_names: set[str] = set()

    def check(self) -> None:
        """Make sure that this run's rows can be added. Raises `DatasetError` where they cannot. Writes nothing."""
        files.check_writable(self.root)
        shards = self._files("features")
        if shards:
            self._check_fingerprint(shards[0])

    def settled(self) -> Settled:
        """What earlier runs have settled. Raises `DatasetError` for files that cannot be read. Writes nothing."""
        done: dict[str, str] = {}
        failed: dict[str, FailedBefore] = {}
        with self.explained("read"):
            for shard, ledger in self._shards_and_ledgers():
                if ledger is None:  # somebody has removed it; the rows are there all the same
                    done.update(dict.fromkeys(_values(shard, "id"), ""))
                else:
                    pairs = zip(*_columns(ledger, "id", "content"), strict=True)
                    done.update((name, content) for name, content in pairs if content is not None)
            for uri in self._files("failures"):
                for name, code, content in zip(*_columns(uri, "id", "code", "content"), strict=True):
                    failed[name] = FailedBefore(code, content)
        return Settled(done, failed)

    def prepare(self) -> Settled:
        """Clear what runs that died have left half done, and read what is settled; the caller holds the lease."""
        with self.explained("written to"):
            self.sweep_temporaries(map(self.place, FOLDERS))
            for _, ledger in self._shards_and_ledgers():
                if ledger is not None:
                    pairs = zip(*_columns(ledger, "id", "content"), strict=True)
                    self.withdraw({name for name, content in pairs if content is None})
        settled = self.settled()
        both = settled.done.keys() & settled.failed.keys()
        self._forget_failures(both)
        return Settled(settled.done, {name: was for name, was in settled.failed.items() if name not in both})

    def withdraw(self, ids: Collection[str]) -> None:
        """Take rows out of the shards: what readers see holds none of these ids any more.

        The ledger is marked first, so that a withdrawal that was cut short is finished by the next `prepare`.
        """
        if not ids:
            return
        with self.explained("written to"):
            for shard, ledger in self._shards_and_ledgers():
                if set(ids).isdisjoint(_values(ledger or shard, "id")):
                    continue
                if ledger is not None:
                    write_table(ledger, without_content(read_table(ledger), ids))
                remove_rows(shard, ids)
                if ledger is not None:
                    remove_rows(ledger, ids)

    def commit(
        self,
        number: int,
        rows: Sequence[tuple[FeatureRow, str]],
        failures: Sequence[FailureRow],
        retried: Collection[str],
    ) -> None:
        """Make rows (each with its video's content) and failures visible; `retried` ids had failed before.

        `number` names the run's commits. A commit that was cut short can be made again under its number: it writes
        the same files. Raises `DatasetError` where nothing can be written, `LeaseError` where another run holds the
        lease by now.
        """
        name = self.shard_name(number)
        with self.explained("written to"):
            self.check_lease()
            if rows:
                ledger = [LedgerRow(row.id, row.uri, content) for row, content in rows]
                self._write("ledger", name, ledger_table(ledger))
                self._write("features", name, feature_table([row for row, _ in rows], self._schema, self._metadata))
                self._shard_names.add(name)
            again = {row.id for row, _ in rows} | {failure.id for failure in failures}
            self._forget_failures(again & set(retried))
            if failures:
                self._write("failures", name, failure_table(failures))

    @property
    def shards(self) -> int:
        """How many feature shards this run has written."""
        return len(self._shard_names)

    def is_empty(self) -> bool:
        """Whether there is no row yet."""
        return not self._files("features")

    def vocabulary_uri(self) -> str:
        """Where the class names are."""
        return self.place(VOCABULARY_FILE)

    def _check_fingerprint(self, shard: str) -> None:
        try:
            stored = pq.read_schema(pa.BufferReader(files.read_bytes(shard)))
            found = fingerprint_of(stored.metadata)
        except ValueError as error:  # Arrow's errors are among them
            raise DatasetError(
                f"{shard} is no feature shard: {error}\nMove it away, or write to another place"
            ) from error
        differences = [
            f"{key}: here {found.get(key, 'not set')}, this run {self._fingerprint.get(key, 'not set')}"
            for key in sorted({*found, *self._fingerprint})
            if found.get(key) != self._fingerprint.get(key)
        ]
        if stored.remove_metadata() != self._schema:
            differences.append(f"columns: here {', '.join(stored.names)}, this run {', '.join(self._schema.names)}")
        if differences:
            lines = "\n".join(f"  - {line}" for line in differences)
            raise DatasetError(
                f"{self.root} holds features made in another way:\n{lines}\n"
                "Write to another place, or run with the same options"
            )

    def _forget_failures(self, ids: Collection[str]) -> None:
        if ids:
            with self.explained("written to"):
                for uri in self._files("failures"):
                    remove_rows(uri, ids)

    def _shards_and_ledgers(self) -> list[tuple[str, str | None]]:
        ledgers = {posixpath.basename(uri): uri for uri in self._files("ledger")}
        return [(shard, ledgers.get(posixpath.basename(shard))) for shard in self._files("features")]

    def _files(self, folder: str) -> list[str]:
        return parquet_files(self.place(folder))

    def _write(self, folder: str, name: str, table: pa.Table) -> None:
        self.bytes_written += write_table(self.place(folder, name), table)


def _columns(uri: str, *names: str) -> list[list[str]]:
    return [column.to_pylist() for column in read_table(uri, list(names)).columns]


def _values(uri: str, name: str) -> list[str]:
    return _columns(uri, name)[0]
