"""A feature dataset: the one place that commits features and failures to it.

    features/part-RUN-00000.parquet   rows that are done
    ledger/part-RUN-00000.parquet     their ids and contents; counts once the shard of its name is there
    failures/part-RUN-00000.parquet   videos without a row, with the reason
    vocabulary.csv                    class names, where labels were given by name
    runs/, lease.json                 as in `cluster.datasets.folder`

Every id is in `features` or in `failures`, never in both: a video that succeeds after having failed leaves `failures`
right after its row is committed, and `prepare` clears what a crash left in between. The row of a video whose
content has changed is withdrawn before the video is extracted again. Labels and splits follow the manifest: shards
whose rows hold others are replaced one by one, and a run that is cut short leaves the rest to the next one.
"""

from __future__ import annotations

import json
import logging
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from cluster.datasets.annotations import ANNOTATED, Annotations, annotations_of, emptied
from cluster.datasets.folder import DatasetError, DatasetFolder, parquet_files
from cluster.datasets.increment import FailedBefore, Settled
from cluster.datasets.vocabulary import VOCABULARY_FILE, Vocabulary, read_vocabulary, write_vocabulary
from cluster.storage import files
from cluster.storage.parquet import open_parquet, read_columns, read_table, remove_rows, write_table
from schemas.failures import FailureRow, failure_table
from schemas.features import SCHEMA_VERSION, FeatureRow, feature_schema, feature_table
from schemas.fingerprint import fingerprint_metadata, fingerprint_of
from schemas.ledger import FIRST_REVISION, REVISION_KEY, LedgerRow, ledger_table, revision_of, without_content
from schemas.videos import Video

FOLDERS = ("features", "ledger", "failures")
MAX_REQUESTS = 16  # concurrent ones
logger = logging.getLogger("framemill")
_HASH = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]+")


class FeatureDataset(DatasetFolder):
    """The feature dataset at `root`. One run writes at a time.

    fingerprint  how this run makes features; `option_of` has the options that its parts follow from, for messages
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
    ) -> None:
        super().__init__(root, run_id=run_id)
        self._schema = feature_schema(rgb_dim, frame_features=frame_features)
        self._metadata = {
            "framemill.schema_version": SCHEMA_VERSION,
            **fingerprint_metadata(fingerprint),
            "framemill.run_id": run_id,
            REVISION_KEY: revision,
            **({"framemill.note": note} if note else {}),
        }
        self._fingerprint = dict(fingerprint)
        self._revision = revision
        self._option_of = option_of or {}
        self._shard_names: set[str] = set()

    def check(self, unknown: Collection[str] = ()) -> bool:
        """Make sure that this run's rows can be added, and tell whether there are rows already. Writes nothing.

        unknown  parts of the fingerprint that are not known yet, and not compared

        Raises:
            DatasetError: where they cannot.
        """
        files.check_writable(self.root)
        stored = stored_schema(self.root)
        if stored is not None:
            self._check_settings(stored, unknown)
        read_vocabulary(self.vocabulary_uri())
        return stored is not None

    def settled(self) -> Settled:
        """What earlier runs have settled. Raises `DatasetError` for files that cannot be read. Writes nothing."""
        done: dict[str, str] = {}
        earlier: set[str] = set()
        with self.explained("read"):
            for shard, ledger in self._shards_and_ledgers():
                if ledger is None:  # somebody has removed it; the rows are there all the same
                    done.update(dict.fromkeys(_values(shard, "id"), ""))
                    continue
                table = read_table(ledger)
                pairs = zip(table["id"].to_pylist(), table["content"].to_pylist(), strict=True)
                there = {name: content for name, content in pairs if content is not None}
                done |= there
                if revision_of(table) != self._revision:
                    earlier |= there.keys()
        return Settled(done, self.failed(), earlier)

    def failed(self) -> dict[str, FailedBefore]:
        """The videos that earlier runs have not mended, by id. Raises `DatasetError` as `settled` does."""
        with self.explained("read"):
            return {
                name: FailedBefore(*its)
                for uri in self._files("failures")
                for name, *its in zip(*_columns(uri, "id", "code", "content", "run_id"), strict=True)
            }

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
        return replace(settled, failed={name: was for name, was in settled.failed.items() if name not in both})

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
                self._write("ledger", name, ledger_table(ledger, self._revision))
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

    def name_classes(self, videos: Sequence[Video]) -> Vocabulary:
        """Give the class names of a manifest their permanent indices; returns all names. The caller holds the lease."""
        with self.explained("written to"):
            vocabulary = read_vocabulary(self.vocabulary_uri())
            if vocabulary.add(videos):
                write_vocabulary(self.vocabulary_uri(), vocabulary)
        return vocabulary

    def outdated(self, videos: Sequence[Video]) -> Mapping[str, Sequence[str]]:
        """By shard, the ids of its rows that hold other labels or splits than a manifest says. Writes nothing."""
        return self._outdated(self._annotations(videos))

    def annotate(self, videos: Sequence[Video]) -> int:
        """Give rows the labels and splits of a manifest; returns how many held others. The caller holds the lease.

        `name_classes` comes first: an index that a shard holds has its name.
        """
        given = self._annotations(videos)
        outdated = self._outdated(given)
        rows, lost = sum(map(len, outdated.values())), 0
        with self.explained("written to"):
            for shard in outdated:
                before = read_table(shard)
                after = given.apply(before)
                self.check_lease()
                self.bytes_written += write_table(shard, after)
                lost += emptied(before, after)
        if rows:
            without = f"; {lost} of them have no label any more" if lost else ""
            logger.info(f"{self.root}: {rows} settled videos have got the labels and splits of the manifest{without}")
        return rows

    def _annotations(self, videos: Sequence[Video]) -> Annotations:
        with self.explained("read"):
            vocabulary = read_vocabulary(self.vocabulary_uri())
        vocabulary.add(videos)
        return annotations_of(videos, vocabulary)

    def _outdated(self, given: Annotations) -> dict[str, list[str]]:
        if not given:
            return {}
        with self.explained("read"), ThreadPoolExecutor(MAX_REQUESTS) as pool:
            shards = self._files("features")
            found = pool.map(lambda shard: given.outdated(read_columns(shard, ANNOTATED)), shards)
            return {shard: names for shard, names in zip(shards, found, strict=True) if names}

    def _check_settings(self, stored: pa.Schema, unknown: Collection[str]) -> None:
        there, here = _parts(fingerprint_of(stored.metadata)), _parts(self._fingerprint)
        differences = [
            f"{self._option_of.get(part, part)}: {_shown(there, part)} there, {_shown(here, part)} here"
            for part in sorted({*there, *here} - {*unknown})
            if there.get(part) != here.get(part)
        ]
        codes = ["yes" if "rgb" in schema.names else "no" for schema in (stored, self._schema)]
        if codes[0] != codes[1]:
            differences.append(f"--frame-features: {codes[0]} there, {codes[1]} here")
        # A dataset that was begun without the newer columns goes on without them: its shards stay alike.
        begun = pa.schema([field for field in self._schema if field.name in stored.names or not field.nullable])
        if stored.remove_metadata() == begun:
            self._schema = begun
        elif not differences:
            differences.append(f"columns: {', '.join(stored.names)} there, {', '.join(self._schema.names)} here")
        if differences:
            lines = "\n".join(f"  - {line}" for line in dict.fromkeys(differences))
            raise DatasetError(
                f"{self.root} was extracted with other options:\n{lines}\n"
                "Give the same options, or write to another place"
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


def stored_schema(root: str) -> pa.Schema | None:
    """The schema of the feature shards at `root`, with their metadata; None where there is none yet.

    Raises:
        DatasetError: for a file that is no feature shard.
    """
    shards = parquet_files(files.join(root, "features"))
    if not shards:
        return None
    try:
        with open_parquet(shards[0]) as parquet:
            schema = parquet.schema_arrow
        fingerprint_of(schema.metadata)
    except ValueError as error:  # Arrow's errors are among them
        message = f"{shards[0]} is no feature shard: {error}\nMove it away, or write to another place"
        raise DatasetError(message) from error
    return schema


def _parts(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """The parts of a fingerprint; those that are JSON objects, value by value."""
    parts: dict[str, str] = {}
    for part, text in fingerprint.items():
        inner = json.loads(text) if text.startswith("{") else None
        parts |= {part: text} if inner is None else {f"{part}.{name}": str(value) for name, value in inner.items()}
    return parts


def _shown(fingerprint: Mapping[str, str], part: str) -> str:
    return _HASH.sub(r"\1…", fingerprint.get(part, "not set"))
