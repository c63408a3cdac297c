"""A feature dataset on disk or in a bucket, and the one place that commits to it.

    features/part-RUN-00000.parquet   rows that are done
    ledger/part-RUN-00000.parquet     their ids and content versions; counts once the shard of its name is there
    failures/part-RUN-00000.parquet   videos without a row, with the reason
    vocabulary.csv                    class names, where labels were given by name
    runs/RUN.json, runs/RUN.html      what each run did

Every id is in `features` or in `failures`, never in both: a video that succeeds after having failed leaves `failures`
right after its row is committed, and what a crash left in between is cleared by `prepare`.
"""

from __future__ import annotations

import contextlib
import io
import json
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster import storage
from schemas.failures import FailureRow, failure_table
from schemas.features import SCHEMA_VERSION, FeatureRow, feature_schema, feature_table
from schemas.ledger import LedgerRow, ledger_table

FINGERPRINT_KEY = b"framemill.fingerprint"


class DatasetError(Exception):
    """The output cannot take this run's rows; the message says why and what to do."""


@dataclass(frozen=True)
class Settled:
    """What earlier runs brought to an end: versions of the videos that are done, codes of those that failed."""

    done: Mapping[str, str]
    failed: Mapping[str, str]


class FeatureDataset:
    """The dataset at `root`. One run writes at a time."""

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
        self.root = root
        self._run_id = run_id
        self._schema = feature_schema(rgb_dim, frame_features=frame_features)
        self._metadata = {
            "framemill.schema_version": SCHEMA_VERSION,
            "framemill.fingerprint": json.dumps(dict(fingerprint), sort_keys=True),
            "framemill.run_id": run_id,
            **({"framemill.note": note} if note else {}),
        }
        self._fingerprint = dict(fingerprint)
        self.bytes_written = 0
        self._shard_names: set[str] = set()

    def open(self) -> Settled:
        """Check that this run's rows belong here, and read what is settled. Raises `DatasetError` where they do not.

        Writes nothing.
        """
        storage.scheme_of(self.root)  # a place within `gs://` would be taken for a path
        shards = self._files("features")
        if shards:
            self._check_fingerprint(shards[0])
        ledgers = {posixpath.basename(uri): uri for uri in self._files("ledger")}
        done: dict[str, str] = {}
        for shard in shards:
            ledger = ledgers.get(posixpath.basename(shard))
            if ledger is None:  # somebody has removed it; the rows are there all the same
                done.update(dict.fromkeys(_read(shard, ["id"])["id"].to_pylist(), ""))
            else:
                table = _read(ledger, ["id", "version"])
                done.update(zip(table["id"].to_pylist(), table["version"].to_pylist(), strict=True))
        failed: dict[str, str] = {}
        for uri in self._files("failures"):
            table = _read(uri, ["id", "code"])
            failed.update(zip(table["id"].to_pylist(), table["code"].to_pylist(), strict=True))
        return Settled(done, failed)

    def prepare(self, settled: Settled) -> Settled:
        """Clear failures of videos that are done. Raises `DatasetError` where nothing can be written to the dataset."""
        both = settled.done.keys() & settled.failed.keys()
        probe = storage.join(self.root, "runs", f".{self._run_id}.probe")
        try:
            storage.write_bytes(probe, b"")
        except (OSError, storage.StorageError) as error:
            raise DatasetError(f"{self.root} cannot be written to: {error}\nGive --output another place") from error
        # An account may be allowed to create objects and not to delete them; the probe is empty and hidden.
        with contextlib.suppress(OSError, storage.StorageError):
            storage.delete(probe)
        self._forget_failures(both)
        return Settled(settled.done, {name: code for name, code in settled.failed.items() if name not in both})

    def commit(
        self,
        number: int,
        rows: Sequence[tuple[FeatureRow, str]],
        failures: Sequence[FailureRow],
        retried: Collection[str],
    ) -> None:
        """Make rows (each with its content version) and failures visible; `retried` ids had failed before.

        `number` names the run's commits. A commit that was cut short can be made again under its number: it writes
        the same files.
        """
        name = f"part-{self._run_id}-{number:05d}.parquet"
        if rows:
            ledger = [LedgerRow(row.id, row.uri, version) for row, version in rows]
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

    def vocabulary_uri(self) -> str:
        """Where the class names are."""
        return storage.join(self.root, "vocabulary.csv")

    def run_uri(self, suffix: str) -> str:
        """Where this run's record (`.json`) or report (`.html`) goes."""
        return storage.join(self.root, "runs", f"{self._run_id}{suffix}")

    def _check_fingerprint(self, shard: str) -> None:
        fs, path = storage.filesystem(shard)
        try:
            with fs.open(path, "rb") as file:
                stored = pq.read_schema(file)
            found = json.loads((stored.metadata or {}).get(FINGERPRINT_KEY, b"{}"))
        except ValueError as error:  # Arrow's errors are among them
            raise DatasetError(
                f"{shard} is no feature shard: {error}\nMove it away, or give another --output"
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
                "Give --output another place, or run with the same options"
            )

    def _forget_failures(self, ids: Collection[str]) -> None:
        if not ids:
            return
        gone = pa.array(sorted(ids), pa.string())
        for uri in self._files("failures"):
            table = _read(uri)
            kept = table.filter(pc.invert(pc.is_in(table["id"], gone)))
            if not kept.num_rows:
                storage.delete(uri)
            elif kept.num_rows < table.num_rows:
                storage.write_bytes(uri, _as_parquet(kept))

    def _files(self, folder: str) -> list[str]:
        place = storage.join(self.root, folder)
        if not storage.exists(place):
            return []
        return [file.uri for file in storage.list_files(place) if file.uri.endswith(".parquet")]

    def _write(self, folder: str, name: str, table: pa.Table) -> None:
        data = _as_parquet(table)
        storage.write_bytes(storage.join(self.root, folder, name), data)
        self.bytes_written += len(data)


def _as_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _read(uri: str, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(storage.read_bytes(uri)), columns=columns)
    except pa.ArrowException as error:
        raise DatasetError(f"{uri} cannot be read: {error}\nMove it away; its videos will be done again") from error
