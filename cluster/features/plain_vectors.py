"""Vectors in a Parquet file whose pages hold them as they are: uncompressed, plain, of one width, none missing.

In: the metadata of a file and its bytes. Out: float32 (n, D) views of these, one for each page of a column's chunk;
None where a page is anything else, which is left to pyarrow. That walks the levels of every number, which takes four
times as long. Here the levels of a page are decoded once: pages with as many rows have the same ones.

Source: apache/parquet-format, "Data Pages" and "Run Length Encoding / Bit-Packing Hybrid".
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cluster.storage.parquet_pages import Page, pages_of, varint

PLAIN = 0
VALUE_BYTES = 4
LENGTH_BYTES = 4  # before the levels of a page
MAX_LEVELS_BYTES = 1 << 16  # which are remembered


def plain_vectors(
    metadata: pq.FileMetaData, content: memoryview, group: int, name: str, dim: int
) -> list[NDArray[np.float32]] | None:
    """The vectors of width `dim` in column `name` of a row group. Raises `ValueError` for damaged pages."""
    places = [place for place in range(metadata.num_columns) if _column_of(metadata, place) == name]
    if len(places) != 1:
        return None
    column, chunk = metadata.schema.column(places[0]), metadata.row_group(group).column(places[0])
    if (chunk.compression, chunk.physical_type, column.max_repetition_level) != ("UNCOMPRESSED", "FLOAT", 1):
        return None
    vectors: list[NDArray[np.float32]] = []
    for page in pages_of(chunk, content):
        found = _vectors(page, dim, column.max_definition_level)
        if found is None:
            return None
        vectors.append(found)
    return vectors if sum(map(len, vectors)) == metadata.row_group(group).num_rows else None


def rows_between(pages: list[NDArray[np.float32]], start: int, stop: int) -> NDArray[np.float32]:
    """A copy of rows `start` to `stop` of stacked pages, without stacking the others."""
    parts, first = [], 0
    for page in pages:
        part = page[max(start - first, 0) : max(stop - first, 0)]
        if len(part):
            parts.append(part)
        first += len(page)
    return np.concatenate(parts)


def _column_of(metadata: pq.FileMetaData, place: int) -> str:
    return str(metadata.schema.column(place).path.partition(".")[0])


def _vectors(page: Page, dim: int, max_definition: int) -> NDArray[np.float32] | None:
    """The vectors of a page: repetition levels, definition levels, numbers."""
    if page.is_dictionary or not page.is_first_version or page.encoding != PLAIN or page.values % dim:
        return None
    repetition, at = _stored_levels(page.packed, 0)
    definition, at = _stored_levels(page.packed, at)
    if len(page.packed) - at != VALUE_BYTES * page.values:  # of missing numbers, none is stored
        return None
    if max(len(repetition), len(definition)) > MAX_LEVELS_BYTES:
        return None
    begins, present = bytes(repetition), bytes(definition)
    if not (_starts_each(begins, page.values, dim) and _are_all(present, page.values, max_definition)):
        return None
    return np.frombuffer(page.packed[at:], "<f4").reshape(-1, dim)


def _stored_levels(packed: memoryview, at: int) -> tuple[memoryview, int]:
    """Levels with their length before them, and the position after them."""
    start = at + LENGTH_BYTES
    stop = start + int.from_bytes(packed[at:start], "little")
    return packed[start:stop], stop


@lru_cache(maxsize=64)
def _starts_each(stored: bytes, count: int, dim: int) -> bool:
    """Whether there is a list for every `dim` of `count` numbers: level 0 begins one."""
    levels = _levels(stored, count, 1)
    return levels is not None and not levels[::dim].any() and int(np.count_nonzero(levels == 0)) * dim == count


@lru_cache(maxsize=64)
def _are_all(stored: bytes, count: int, level: int) -> bool:
    """Whether all of `count` levels are the highest, `level`: nothing is missing."""
    levels = _levels(stored, count, level.bit_length())
    return levels is not None and bool((levels == level).all())


def _levels(stored: bytes, count: int, bits: int) -> NDArray[np.int64] | None:
    """`count` levels of some bits each, from runs of one level or of packed ones; None where there are fewer."""
    data, at = memoryview(stored), 0
    levels, filled = np.empty(count, np.int64), 0
    weights = 1 << np.arange(bits)
    while filled < count and at < len(data):
        header, at = varint(data, at)
        length = header >> 1
        if header & 1:
            packed = np.frombuffer(data[at : at + length * bits], np.uint8)
            run = np.unpackbits(packed, bitorder="little")[: len(packed) * 8 // bits * bits].reshape(-1, bits) @ weights
            run, at = run[: count - filled], at + length * bits
        else:
            size = -(-bits // 8)
            run = np.broadcast_to(np.int64(int.from_bytes(data[at : at + size], "little")), min(length, count - filled))
            at += size
        if not len(run):
            return None
        levels[filled : filled + len(run)] = run
        filled += len(run)
    return levels if filled == count else None
