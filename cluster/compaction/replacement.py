"""One file in place of a group of small ones, safe at any moment.

    1  ledger of the new shard      counts for nothing while the shard is missing
    2  new shard                    from here on its rows stand twice: it sorts behind the others, and names them
    3  small shards are removed     in parallel
    4  ledgers of these             count for nothing without their shards

No row is ever missing. Whoever finds rows twice after a crash between 2 and 3, the next extraction or compaction, keeps
those of the new shard (`FeatureDataset.repaired`); our readers do so at any time (`schemas.replaced`). The lease
refuses each step of a run that was overtaken: the files were read before the lease was last confirmed, and it names
those that are about to change. Failures likewise, without ledgers.
"""

from __future__ import annotations

import logging
import posixpath
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from cluster.compaction.groups import SmallFile
from cluster.datasets.tables import FENCED_KEY, GROUP_FILES, StoredTable, load_table
from cluster.storage import files
from cluster.storage.parquet import TableError, encode_on_disk, is_of_system
from cluster.storage.writer import Writer
from schemas.failures import FAILURE_SCHEMA
from schemas.replaced import REPLACED_KEY, name_after, replaced_metadata

MAX_REQUESTS = 16  # concurrent ones, to a bucket
NOT_KEPT = (FENCED_KEY.encode(), REPLACED_KEY.encode())  # metadata of a file that say nothing of its rows

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class _Small:
    """Files to remove, by URI and version, and what stays of one where a store cannot remove it."""

    versions: Sequence[tuple[str, str]]
    emptied: memoryview

    @classmethod
    def of(cls, files: Sequence[StoredTable]) -> _Small:
        """Without the rows, which memory need not hold any more."""
        emptied = encode_on_disk(files[0].table.schema.empty_table())
        return cls([(stored.uri, stored.version) for stored in files], emptied)


class Replacement:
    """Replaces groups of files by one each; `uris` are those of all files of the dataset."""

    def __init__(self, writer: Writer, uris: Collection[str]) -> None:
        self._writer = writer
        self._taken: dict[str, set[str]] = defaultdict(set)  # names of files, by folder
        for uri in uris:
            self._taken[posixpath.dirname(uri)].add(posixpath.basename(uri))

    def replace(self, group: Sequence[SmallFile]) -> None:
        """Replace a group. Memory holds about one file of the usual size."""
        with ThreadPoolExecutor(1 if files.is_local(group[0].uri) else MAX_REQUESTS) as pool:
            found = list(pool.map(self._load, [file.uri for file in group]))
            listed = list(pool.map(self._load, [file.ledger for file in group if file.ledger]))
            rows, ledgers = _matching(found, listed) if listed else (_of_this_release(found), [])
            if len(rows) < 2:
                return
            del found, listed
            new = self._new_tables(rows, ledgers)
            small = [_Small.of(each) for each in (rows, ledgers) if each]
            count = len(rows)
            del rows, ledgers
            with self._writer.changing(new):
                for uri, table in new.items():
                    self._writer.put(uri, encode_on_disk(table))
            del new
            for first in range(0, count, GROUP_FILES):
                some = [replace(each, versions=each.versions[first : first + GROUP_FILES]) for each in small]
                with self._writer.changing(uri for each in some for uri, _ in each.versions):
                    for each in some:
                        list(pool.map(partial(self._remove, each.emptied), each.versions))

    def _load(self, uri: str) -> StoredTable | None:
        """The table of a file; None for one that is damaged."""
        try:
            return load_table(self._writer, uri)
        except (TableError, OSError) as error:
            if is_of_system(error):
                raise
            logger.warning(f"{uri} cannot be read, and stays as it is: {error}")
            return None

    def _remove(self, emptied: memoryview, stored: tuple[str, str]) -> None:
        uri, version = stored
        self._writer.remove(uri, version, emptied)

    def _new_tables(self, rows: Sequence[StoredTable], ledgers: Sequence[StoredTable]) -> dict[str, pa.Table]:
        """The tables that take the place of others, by URI, in the order in which they are written."""
        folder = posixpath.dirname(rows[0].uri)
        names = [posixpath.basename(stored.uri) for stored in rows]
        name = name_after(names, self._taken[folder])
        self._taken[folder].add(name)
        uri = files.join(folder, name)
        if not ledgers:
            return {uri: _joined(rows)}
        ledger = files.join(posixpath.dirname(ledgers[0].uri), name)
        return {ledger: _joined(ledgers), uri: _joined(rows, replaced_metadata(names))}


def _matching(
    shards: Sequence[StoredTable | None], ledgers: Sequence[StoredTable | None]
) -> tuple[list[StoredTable], list[StoredTable]]:
    """The shards whose ledgers list their rows, and no others."""
    pairs = []
    for shard, ledger in zip(shards, ledgers, strict=True):
        if shard is None or ledger is None:
            continue
        if shard.table["id"].sort() == ledger.table["id"].sort():
            pairs.append((shard, ledger))
        else:
            logger.warning(f"{shard.uri} stays as it is: {ledger.uri} lists other videos")
    return [shard for shard, _ in pairs], [ledger for _, ledger in pairs]


def _of_this_release(failures: Sequence[StoredTable | None]) -> list[StoredTable]:
    """The files with all columns that failures have."""
    return [file for file in failures if file is not None and file.table.schema.names == FAILURE_SCHEMA.names]


def _joined(parts: Sequence[StoredTable], metadata: Mapping[str, str] | None = None) -> pa.Table:
    """All rows, ordered by id, with the metadata of the file that is named last, and with `metadata`."""
    last = max(parts, key=lambda stored: posixpath.basename(stored.uri)).table.schema
    kept = {key: value for key, value in (last.metadata or {}).items() if key not in NOT_KEPT}
    schema = pa.schema([_plain_field(field, [part.table.schema for part in parts]) for field in last])
    table = pa.concat_tables([part.table.replace_schema_metadata().cast(schema) for part in parts])
    return table.sort_by("id").replace_schema_metadata({**kept, **(metadata or {})})


def _plain_field(field: pa.Field, schemas: Sequence[pa.Schema]) -> pa.Field:
    """A field without a dictionary of its values, which only some files may have got when they were read."""
    if not _has_dictionary(field.type):
        return field
    plain = (schema.field(field.name).type for schema in schemas)
    return field.with_type(next((kind for kind in plain if not _has_dictionary(kind)), pa.list_(pa.large_binary())))


def _has_dictionary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_dictionary(kind.value_type))
