"""Parquet files, read and written as a whole; writes are atomic."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import files
from schemas.errors import InputError


class TableError(InputError):
    """A file that is not a readable Parquet table; the message says which and what to do."""


def read_table(uri: str, columns: list[str] | None = None) -> pa.Table:
    """The table at `uri`, or some of its columns in the order given. The file is fetched whole, in one request."""
    return decode_table(files.read_bytes(uri), uri, columns)


def decode_table(content: bytes, uri: str, columns: list[str] | None = None) -> pa.Table:
    """The table in the content of the file `uri`, or some of its columns in the order given."""
    with _explained(uri):
        return pq.read_table(pa.BufferReader(content), columns=columns)


def read_columns(uri: str, columns: Collection[str]) -> pa.Table:
    """Few columns of a large file; little else of it is fetched."""
    with _explained(uri), open_parquet(uri) as parquet:
        return parquet.read(list(columns), use_threads=False)


@contextmanager
def open_parquet(uri: str) -> Iterator[pq.ParquetFile]:
    """Open a file to read little of it: only that is requested from a bucket."""
    if files.is_local(uri):
        with pq.ParquetFile(files.local_path(uri)) as parquet:
            yield parquet
        return
    fs, path = files.filesystem(uri)
    with files.call_store(uri, lambda: fs.open(path)) as file, pq.ParquetFile(file) as parquet:
        yield parquet


def write_table(uri: str, table: pa.Table) -> int:
    """Write `table` to `uri` and return the size of the file in bytes."""
    data = encode_table(table)
    files.write_bytes(uri, data)
    return len(data)


def encode_table(table: pa.Table, distinct_columns: Collection[str] = ()) -> bytes:
    """`table` as a Parquet file, without a dictionary for `distinct_columns` (Parquet's names), whose values differ."""
    # Vectors of floats hardly compress, and decompression would dominate the time that reading them takes.
    vectors = {field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)}
    leaves = {leaf: field.name in vectors for field in table.schema for leaf in _leaves(field)}
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression={leaf: "none" if is_vector else "zstd" for leaf, is_vector in leaves.items()},
        use_dictionary=[leaf for leaf, is_vector in leaves.items() if not is_vector and leaf not in distinct_columns],
    )
    return buffer.getvalue()


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise TableError(f"{uri} cannot be read: {error}\nMove it away; its videos are processed again") from error


def _leaves(field: pa.Field, path: str = "") -> Iterator[str]:
    """Parquet's names of the columns that a field is stored as."""
    path += field.name
    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _leaves(child, f"{path}.")
    elif pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type):
        yield from _leaves(pa.field("element", field.type.value_type), f"{path}.list.")
    else:
        yield path
