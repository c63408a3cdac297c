"""What a Parquet file takes once it is decoded, checked before anything of it is.

A file of a few kilobytes may hold gigabytes: text that compresses, and one value for any number of rows. Rows of ours
are all different, be it by their ids, so a file can only hold so many; and what its pages decode to, all of them
together, is limited to a multiple of its own size.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from mmap import ACCESS_READ, mmap

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage.parquet_pages import pages_of

MAX_ROWS = 1 << 18  # or as many as the file has bytes
DECODED_BYTES = 256 << 20  # of a file of any size, or `COMPRESSION` times the file
COMPRESSION = 1024  # an hour of one and the same frame, beside means that differ
MAX_DICTIONARY_BYTES = 16 << 20  # writers stop at 1 MiB
OVERHEAD_BYTES = 8  # of a value: its place in lists, and whether it is there
BYTE_ARRAY = "BYTE_ARRAY"
DICTIONARY_ENCODINGS = (2, 8)
PREFIX_ENCODING = 7  # each text begins as the one before it
VALUE_BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
LENGTH = struct.Struct("<I")
CODECS = {"LZ4": "lz4_raw"}  # other names are Arrow's
ADVICE = "write it again without what repeats"


def check_rows(metadata: pq.FileMetaData, size_bytes: int) -> None:
    """Raise `ValueError` for more rows than a file of this size can hold."""
    most = max(MAX_ROWS, size_bytes)
    if metadata.num_rows > most:
        raise ValueError(f"it claims {metadata.num_rows:,} rows, at most {most:,} in {size_bytes:,} bytes: {ADVICE}")


def check_file(
    metadata: pq.FileMetaData, path: str, columns: Collection[str] | None = None, decoded_bytes: int = DECODED_BYTES
) -> None:
    """Check a file on disk as `check_claims` does; of its pages, the headers alone are read."""
    with open(path, "rb") as file:
        content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    check_claims(metadata, content, columns, decoded_bytes=decoded_bytes)


def check_claims(
    metadata: pq.FileMetaData,
    content: memoryview,
    columns: Collection[str] | None = None,
    *,
    rows_at_once: int = MAX_ROWS,
    decoded_bytes: int = DECODED_BYTES,
) -> None:
    """Check the rows and the pages of a file, whose bytes are `content`.

    columns        those that are read; None for all
    rows_at_once   that are decoded at a time
    decoded_bytes  that a file of any size may take

    Raises:
        ValueError: if they claim more than a file of this size can hold, or are damaged.
    """
    check_rows(metadata, len(content))
    most, decoded = max(decoded_bytes, COMPRESSION * len(content)), 0
    names = [metadata.schema.column(place).path.partition(".")[0] for place in range(metadata.num_columns)]
    wanted = [place for place, name in enumerate(names) if columns is None or name in columns]
    for group in range(metadata.num_row_groups):
        for place in wanted:
            chunk = metadata.row_group(group).column(place)
            decoded += _decoded_bytes(chunk, metadata.schema.column(place).length, content, rows_at_once)
            if decoded > most:
                raise ValueError(
                    f"up to column {chunk.path_in_schema} of row group {group}, it takes {decoded:,} bytes once it is "
                    f"decoded, at most {most:,} in a file of {len(content):,}: {ADVICE}"
                )


def _decoded_bytes(chunk: pq.ColumnChunkMetaData, fixed_bytes: int, content: memoryview, rows_at_once: int) -> int:
    """At most what the values of a chunk take: text by the longest of its dictionary, or as it is in its pages."""
    is_text = chunk.physical_type == BYTE_ARRAY
    width = VALUE_BYTES.get(chunk.physical_type, fixed_bytes)
    total = 0
    for page in pages_of(chunk, content):
        total += page.unpacked_bytes + page.values * OVERHEAD_BYTES
        if page.is_dictionary:
            width = max(width, _longest(chunk, page.packed, page.unpacked_bytes)) if is_text else width
        elif not is_text or page.encoding in DICTIONARY_ENCODINGS:
            total += page.values * width
        elif page.encoding == PREFIX_ENCODING:
            total += min(page.values, rows_at_once) * page.unpacked_bytes
    return total


def _longest(chunk: pq.ColumnChunkMetaData, packed: memoryview, unpacked_bytes: int) -> int:
    """The size of the longest text in a dictionary: texts with their lengths before them."""
    name = chunk.path_in_schema
    if unpacked_bytes > MAX_DICTIONARY_BYTES:
        raise ValueError(
            f"column {name} has a dictionary of {unpacked_bytes:,} bytes, at most {MAX_DICTIONARY_BYTES:,}"
        )
    codec = chunk.compression
    try:
        data = packed if codec == "UNCOMPRESSED" else pa.decompress(packed, unpacked_bytes, CODECS.get(codec, codec))
    except (pa.ArrowException, OSError):  # damaged, as its reader will say, or of an older kind of LZ4
        return unpacked_bytes
    longest = position = 0
    while position + LENGTH.size <= len(data):
        (size,) = LENGTH.unpack_from(data, position)
        position += LENGTH.size + size
        longest = max(longest, size)
    return longest
