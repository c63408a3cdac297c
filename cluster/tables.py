"""Parquet files as wholes: each is read, written and changed in one step, and is never seen half done."""

from __future__ import annotations

import io
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cluster import storage


class TableError(Exception):
    """A file that is no table; the message says which and what to do."""


def read_table(uri: str, columns: list[str] | None = None) -> pa.Table:
    """The table at `uri`, or some of its columns in the order given."""
    try:
        return pq.read_table(pa.BufferReader(storage.read_bytes(uri)), columns=columns)
    except pa.ArrowException as error:
        raise TableError(f"{uri} cannot be read: {error}\nMove it away; its videos will be done again") from error


def write_table(uri: str, table: pa.Table) -> int:
    """Make `table` the content of `uri`; returns how many bytes that takes."""
    data = encode_table(table)
    storage.write_bytes(uri, data)
    return len(data)


def encode_table(table: pa.Table, *, use_dictionary: bool | list[str] = True) -> bytes:
    """`table` as a Parquet file; `use_dictionary` may name the columns of which many values are alike."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", use_dictionary=use_dictionary)
    return buffer.getvalue()


def remove_rows(uri: str, ids: Collection[str]) -> None:
    """Take the rows with these ids out of a table, and the file away where no row is left."""
    table = read_table(uri)
    kept = table.filter(pc.invert(pc.is_in(table["id"], pa.array(sorted(ids), pa.string()))))
    if not kept.num_rows:
        storage.delete(uri)
    elif kept.num_rows < table.num_rows:
        write_table(uri, kept)
