"""The Parquet files of a dataset as the run that holds its lease changes them.

A file is changed as a whole, and only if it is still the one that was read. A file without rows is removed, or stays
where a store cannot remove it safely. Files that a dead run may still change are fenced (`cluster.storage.fence`): they
are replaced by equal ones, and missing ones are created without rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from cluster.storage.conditions import ChangedError
from cluster.storage.parquet import decode_table, encode_on_disk
from cluster.storage.writer import Writer

GROUP_FILES = 16
FENCED_KEY = "framemill.fenced_by"  # in the metadata of files that were fenced: the run that did it

T = TypeVar("T")


@dataclass(frozen=True)
class StoredTable:
    """A file's table, and the version of the file that it was read from."""

    uri: str
    table: pa.Table
    version: str

    def matching(self, ids: Collection[str] | pa.ChunkedArray) -> pa.ChunkedArray:
        """(rows,) whether each row has one of these ids."""
        wanted = ids if isinstance(ids, pa.ChunkedArray) else pa.array(sorted(ids), pa.string())
        return pc.is_in(self.table["id"], wanted)


def groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Few items at a time: after a run has died, all files that it was changing at once are replaced."""
    return (items[start : start + GROUP_FILES] for start in range(0, len(items), GROUP_FILES))


def load_table(writer: Writer, uri: str) -> StoredTable:
    """The table at `uri`, with what is needed to change it."""
    content, version = writer.read(uri)
    return StoredTable(uri, decode_table(content, uri), version)


def tables_with(writer: Writer, uris: Iterable[str], ids: Collection[str] | pa.ChunkedArray) -> list[StoredTable]:
    """Those of the tables that have rows with these ids."""
    found = (load_table(writer, uri) for uri in uris)
    return [stored for stored in found if pc.any(stored.matching(ids)).as_py()]


def store_table(writer: Writer, stored: StoredTable, table: pa.Table) -> tuple[StoredTable, int]:
    """Replace a table; returns it, and the size of its file in bytes, 0 where it was removed for want of rows."""
    data = encode_on_disk(table)
    if not table.num_rows:
        writer.remove(stored.uri, stored.version, data)
        return StoredTable(stored.uri, table, ""), 0
    return StoredTable(stored.uri, table, writer.replace(stored.uri, data, stored.version)), len(data)


def remove_rows(writer: Writer, stored: StoredTable, ids: Collection[str] | pa.ChunkedArray) -> int:
    """Remove the rows with these ids; returns how many there were."""
    kept = stored.table.filter(pc.invert(stored.matching(ids)))
    if kept.num_rows < stored.table.num_rows:
        store_table(writer, stored, kept)
    return int(stored.table.num_rows - kept.num_rows)


def fence_table(
    writer: Writer, uri: str, run_id: str, empty: pa.Table, only: pa.ChunkedArray | None = None
) -> pa.Table:
    """Make sure that no write to `uri` that was prepared before can succeed any more; returns the table that is there.

    empty  what to create where there is no file
    only   leave out rows with other ids than these
    """
    while True:
        try:
            stored = load_table(writer, uri)
        except FileNotFoundError:
            stored = StoredTable(uri, empty, "")
        table = stored.table if only is None else stored.table.filter(stored.matching(only))
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), FENCED_KEY: run_id})
        try:
            writer.replace(uri, encode_on_disk(table), stored.version)
        except ChangedError:
            continue  # the dead run has succeeded in between
        return table
