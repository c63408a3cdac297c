"""The pages of a Parquet file, by their headers: what a reader allocates follows from them.

In: the metadata of a column's chunk, and the bytes of the file. Out: its pages. The metadata at the end of a file claim
sums, too, but readers go by the pages.

Source: apache/parquet-format, `parquet.thrift` (PageHeader) and "Thrift compact protocol encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

DATA_PAGE, DICTIONARY_PAGE = 0, 2
RLE = 3  # the encoding of levels; an older one has no length before it
# Numbers of fields: of a page's header, and of the part for its kind.
TYPE, UNPACKED_BYTES, PACKED_BYTES, DATA, DATA_V2, VALUES, ENCODING = 1, 2, 3, 5, 8, 1, 2
ENCODING_V2 = 4
DEFINITION_ENCODING, REPETITION_ENCODING = 3, 4
MAX_DEPTH = 8
# The types of the compact protocol.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


@dataclass(frozen=True)
class Page:
    """One page: its values and their encoding, its size once it is unpacked, and its packed bytes.

    is_first_version  whether it is a data page of version 1, whose levels, run-length encoded, are in the packed bytes
    """

    is_dictionary: bool
    is_first_version: bool
    encoding: int | None
    values: int
    unpacked_bytes: int
    packed: memoryview


def pages_of(chunk: pq.ColumnChunkMetaData, content: memoryview) -> Iterator[Page]:
    """The pages of a column's chunk, in the file whose bytes are `content`.

    Raises:
        ValueError: for a chunk outside of the file, and for what is no page.
    """
    position = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < position:
        position = chunk.dictionary_page_offset
    end = position + chunk.total_compressed_size
    if position < 0 or chunk.total_compressed_size < 0 or end > len(content):
        raise ValueError(f"column {chunk.path_in_schema} lies outside of the file")
    while position < end:
        header, position = _struct(content, position)
        kind = next((each for each in (DATA, DATA_V2) if isinstance(header.get(each), dict)), 0)
        details = header[kind] if kind else {}
        numbers = [header.get(UNPACKED_BYTES), header.get(PACKED_BYTES), details.get(VALUES, 0)]
        if not all(isinstance(number, int) and number >= 0 for number in numbers):
            raise ValueError(f"column {chunk.path_in_schema} has a damaged page before byte {position}")
        unpacked, size, values = map(int, numbers)
        encoding = details.get(ENCODING_V2 if kind == DATA_V2 else ENCODING)
        is_dictionary = header.get(TYPE) == DICTIONARY_PAGE
        levels = details.get(DEFINITION_ENCODING), details.get(REPETITION_ENCODING)
        is_first = kind == DATA and header.get(TYPE) == DATA_PAGE and levels == (RLE, RLE)
        yield Page(is_dictionary, is_first, encoding, values, unpacked, content[position : position + size])
        position += size


def _struct(data: memoryview, position: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """The fields of a struct by number, and the position after it; values but for numbers and structs are None."""
    fields: dict[int, Any] = {}
    number = 0
    while (head := _byte(data, position)) != 0:
        position += 1
        if head >> 4:
            number += head >> 4
        else:
            number, position = _integer(data, position)
        fields[number], position = _value(data, position, head & 15, depth)
    return fields, position + 1


def _value(data: memoryview, position: int, kind: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise ValueError(f"the header of a page is nested too deeply at byte {position}")
    if kind in (TRUE, FALSE):
        return kind == TRUE, position
    if kind in (BYTE, DOUBLE):
        return None, position + struct.calcsize("b" if kind == BYTE else "d")
    if kind in (I16, I32, I64):
        return _integer(data, position)
    if kind == BINARY:
        size, position = varint(data, position)
        return None, position + size
    if kind == STRUCT:
        return _struct(data, position, depth + 1)
    raise ValueError(f"the header of a page has a field of type {kind} at byte {position}")


def _integer(data: memoryview, position: int) -> tuple[int, int]:
    value, position = varint(data, position)
    return (value >> 1) ^ -(value & 1), position


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and the position after it. Raises `ValueError` for a damaged one."""
    value = shift = 0
    while True:
        byte = _byte(data, position)
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(f"the header of a page has a damaged number before byte {position}")


def _byte(data: memoryview, position: int) -> int:
    if position >= len(data):
        raise ValueError("the header of a page runs past the end of the file")
    return data[position]
