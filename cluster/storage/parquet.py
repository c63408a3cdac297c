"""Parquet files, written and rewritten as a whole; writes are atomic.

Views of bytes (`binary_view`) are stored as `large_binary`, which more readers know. Nothing is copied for that.
"""

from __future__ import annotations

import base64
import io
import mmap
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import files
from cluster.storage.long_lists import long_lists, write_long_lists
from schemas.errors import InputError

MANY_VALUES = 1 << 16  # of a column in a row group


class TableError(InputError):
    """A file that is not a readable Parquet table; the message says which and what to do."""


def read_table(uri: str, columns: list[str] | None = None) -> pa.Table:
    """The table at `uri`, or some of its columns in the order given. The file is fetched whole, in one request."""
    return decode_table(files.read_bytes(uri), uri, columns)


def decode_table(content: bytes, uri: str, columns: list[str] | None = None) -> pa.Table:
    """The table in the content of the file `uri`, or some of its columns in the order given.

    Lists of bytes that repeat a few values come as lists of a dictionary type: memory holds these values once.
    """
    with _explained(uri):
        file = pa.BufferReader(content)
        return pq.read_table(file, columns=columns, read_dictionary=_repetitive(pq.read_metadata(file)))


def read_columns(uri: str, columns: Collection[str]) -> pa.Table:
    """Few columns of a large file, those of them that it has; little else of it is fetched."""
    with _explained(uri), open_parquet(uri) as parquet:
        return parquet.read(list(columns), use_threads=False)


def column_names(uri: str) -> list[str]:
    """The columns of a file."""
    with _explained(uri), open_parquet(uri) as parquet:
        names: list[str] = parquet.schema_arrow.names
        return names


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


def is_of_system(error: Exception) -> bool:
    """Whether an error is one of a disk or store; pyarrow has `OSError`, without a number, for damaged files, too."""
    return isinstance(error, OSError) and not (type(error) is OSError and error.errno is None)


def write_table(uri: str, table: pa.Table) -> int:
    """Write `table` to `uri` and return the size of the file in bytes."""
    data = encode_on_disk(table)
    files.write_bytes(uri, data)
    return len(data)


def encode_table(table: pa.Table, distinct_columns: Collection[str] = ()) -> bytes:
    """`table` as a Parquet file, without a dictionary for `distinct_columns` (Parquet's names), whose values differ."""
    buffer = io.BytesIO()
    _encode(table, buffer, distinct_columns)
    return buffer.getvalue()


def encode_on_disk(table: pa.Table) -> memoryview:
    """`table` as a Parquet file, mapped from a temporary file without a name: memory need not hold a large one."""
    with TemporaryFile(prefix="framemill-") as file:
        _encode(table, file)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _encode(table: pa.Table, file: IO[bytes], distinct_columns: Collection[str] = ()) -> None:
    if long := long_lists(table):
        write_long_lists(table, long, file, _write)
    else:
        _write(table, file, distinct_columns)


def _write(table: pa.Table, file: IO[bytes], distinct_columns: Collection[str] = ()) -> None:
    # Vectors of floats hardly compress, and decompression would dominate the time that reading them takes.
    vectors = {field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)}
    leaves = {leaf: field.name in vectors for field in table.schema for leaf in _leaves(field)}
    with pq.ParquetWriter(
        file,
        table.schema,
        compression={leaf: "none" if is_vector else "zstd" for leaf, is_vector in leaves.items()},
        use_dictionary=[leaf for leaf, is_vector in leaves.items() if not is_vector and leaf not in distinct_columns],
        store_schema=False,
    ) as writer:
        writer.write_table(table)
        # Arrow's readers take the types from here, where the writer would name those of the table in memory.
        stored = pa.schema([field.with_type(_stored(field.type)) for field in table.schema], table.schema.metadata)
        encoded = base64.b64encode(stored.serialize())
        writer.add_key_value_metadata({**(table.schema.metadata or {}), b"ARROW:schema": encoded})


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise TableError(f"{uri} cannot be read: {error}\nMove it away; its videos are processed again") from error


def _repetitive(file: pq.FileMetaData) -> list[str]:
    """Parquet's names of the lists of bytes whose values take next to nothing in the file."""
    groups = [file.row_group(number) for number in range(file.num_row_groups)]
    leaves = [group.column(place) for group in groups for place in range(group.num_columns)]
    return [
        leaf.path_in_schema
        for leaf in leaves
        if leaf.physical_type == "BYTE_ARRAY"
        and leaf.path_in_schema.endswith(".list.element")
        and leaf.num_values > MANY_VALUES
        and leaf.total_uncompressed_size < leaf.num_values
    ]


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type that plain readers see of a column of type `kind`."""
    if pa.types.is_dictionary(kind):
        kind = pa.binary_view() if pa.types.is_binary(kind.value_type) else kind.value_type
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    return pa.list_(_stored(kind.value_type)) if pa.types.is_list(kind) else kind


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
