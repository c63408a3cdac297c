"""A row whose lists of bytes are too long for one page of a Parquet file.

pyarrow 25 makes a list one page: it holds it in memory three times, and a page takes at most 2 GiB. The format lets a
list go on in the next page. So pyarrow writes the row with the first item of such lists alone; the pages of the whole
lists follow, and a footer that names them in place of the short ones.

Source: parquet.apache.org, "File Format": data pages of version 1, plain encoding, levels in runs.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Collection
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage.thrift import I32, I64, LIST, STRUCT, Struct, read_struct, struct_bytes, varint

LONG_BYTES = 4 << 20
PAGE_ITEMS = 1024
TAIL = struct.Struct("<I4s")  # of a file: size of the footer, magic number
DATA_PAGE, PLAIN, RLE, ZSTD = 0, 0, 3, 6
# Numbers of fields: of the footer, of a row group, of a column in it.
ROW_GROUPS = 4
COLUMNS, GROUP_BYTES, GROUP_COMPRESSED_BYTES = 1, 2, 6
META_DATA = 3
TYPE, ENCODINGS, PATH, CODEC, NUM_VALUES, BYTES, COMPRESSED_BYTES, OFFSET = 1, 2, 3, 4, 5, 6, 7, 9


def long_lists(table: pa.Table) -> list[str]:
    """The columns of a table of one row that are lists of bytes too long for a page."""
    if table.num_rows != 1:
        return []
    lists = {field.name: table[field.name] for field in table.schema if pa.types.is_list(field.type)}
    return [name for name, column in lists.items() if _bytes_of_items(_items(column)) > LONG_BYTES]


def write_long_lists(
    row: pa.Table, names: Collection[str], file: IO[bytes], write: Callable[[pa.Table, IO[bytes]], None]
) -> None:
    """Write a table of one row to `file`, with long lists in its columns `names`; `write` writes one with short lists.

    No list and no item is null.
    """
    buffer = io.BytesIO()
    write(_shortened(row, names), buffer)
    short = buffer.getvalue()
    size, magic = TAIL.unpack(short[-TAIL.size :])
    file.write(short[: -TAIL.size - size])
    footer = read_struct(io.BytesIO(short[-TAIL.size - size :]))
    (group,) = footer[ROW_GROUPS][1][1]
    chunks = [chunk[META_DATA][1] for chunk in group[COLUMNS][1][1]]
    for place, chunk in enumerate(chunks):
        column = pq.read_metadata(pa.BufferReader(short)).schema.column(place)
        name = column.path.split(".")[0]
        if name in names:
            pages = _write_pages(_items(row[name]), column.max_definition_level, file)
            kept = {number: chunk[number] for number in (TYPE, PATH)}
            chunk.clear()
            chunk.update(sorted({**kept, **pages}.items()))
    for total, part in ((GROUP_BYTES, BYTES), (GROUP_COMPRESSED_BYTES, COMPRESSED_BYTES)):
        group[total] = I64, sum(chunk[part][1] for chunk in chunks)
    content = struct_bytes(footer)
    file.write(content + TAIL.pack(len(content), magic))


def _items(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks().flatten()


def _bytes_of_items(items: pa.Array) -> int:
    """Memory of bytes, which equal ones may share; 0 for items of other types."""
    if pa.types.is_dictionary(items.type):
        return int(items.dictionary.nbytes) if pa.types.is_binary(items.type.value_type) else 0
    if pa.types.is_binary_view(items.type):
        return sum(buffer.size for buffer in items.buffers()[2:])
    return int(items.nbytes) if pa.types.is_binary(items.type) or pa.types.is_large_binary(items.type) else 0


def _shortened(row: pa.Table, names: Collection[str]) -> pa.Table:
    for name in names:
        place = row.schema.get_field_index(name)
        kind = row.schema.field(place).type
        first = _items(row[name])[:1].to_pylist()  # a slice would keep all items
        row = row.set_column(place, row.schema.field(place), pa.array([first], kind))
    return row


def _write_pages(items: pa.Array, item_level: int, file: IO[bytes]) -> Struct:
    """Write the pages of one list; returns what the footer says of them. An item has the definition level given."""
    offset, size = file.tell(), 0
    for start in range(0, len(items), PAGE_ITEMS):
        values = items[start : start + PAGE_ITEMS].to_pylist()
        first = int(start == 0)  # a list begins at level 0 and goes on at level 1
        levels = _levels((0, first), (1, len(values) - first)) + _levels((item_level, len(values)))
        content = levels + b"".join(part for value in values for part in (len(value).to_bytes(4, "little"), value))
        compressed = pa.compress(content, "zstd", asbytes=True)
        kind: Struct = {1: (I32, len(values)), 2: (I32, PLAIN), 3: (I32, RLE), 4: (I32, RLE)}
        sizes = {2: (I32, len(content)), 3: (I32, len(compressed))}
        head = struct_bytes({1: (I32, DATA_PAGE), **sizes, 5: (STRUCT, kind)})
        file.write(head + compressed)
        size += len(head) + len(content)
    return {
        ENCODINGS: (LIST, (I32, [PLAIN, RLE])),
        CODEC: (I32, ZSTD),
        NUM_VALUES: (I64, len(items)),
        BYTES: (I64, size),
        COMPRESSED_BYTES: (I64, file.tell() - offset),
        OFFSET: (I64, offset),
    }


def _levels(*runs: tuple[int, int]) -> bytes:
    """Levels below 256 in runs of (level, how many)."""
    encoded = b"".join(varint(count << 1) + bytes([level]) for level, count in runs if count)
    return len(encoded).to_bytes(4, "little") + encoded
