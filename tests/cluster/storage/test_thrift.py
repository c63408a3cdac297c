"""Structs come back as they were, and footers that pyarrow writes come back to the byte."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.storage.thrift import BINARY, BYTE, FALSE, I32, I64, LIST, STRUCT, TRUE, read_struct, struct_bytes, varint


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2"), (1 << 35, b"\x80" * 5 + b"\1")],
)
def test_integers_have_seven_bits_a_byte(number: int, expected: bytes) -> None:
    assert varint(number) == expected


def test_a_struct_comes_back() -> None:
    fields = {
        1: (I32, -7),
        2: (I64, 1 << 40),
        5: (BINARY, b"name" * 50),
        6: (LIST, (BINARY, [b"", b"x"])),
        7: (LIST, (STRUCT, [{1: (TRUE, None)}] * 20)),
        40: (STRUCT, {3: (FALSE, None), 4: (BYTE, 200)}),
        41: (LIST, (I32, list(range(-100, 100)))),
    }
    assert read_struct(io.BytesIO(struct_bytes(fields))) == fields


def test_footers_of_pyarrow_come_back_to_the_byte() -> None:
    table = pa.table(
        {"id": ["a", None], "n": [1, 2], "f": [0.5, None], "b": [True, False], "l": [[b"x"], []], "t": [{"x": 1}] * 2}
    ).replace_schema_metadata({"made": "here"})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=1, compression="zstd", write_page_index=True)
    content = buffer.getvalue()
    size = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - size : -8]
    assert struct_bytes(read_struct(io.BytesIO(footer))) == footer


def test_what_parquet_does_not_use_is_refused() -> None:
    with pytest.raises(ValueError, match="type 11"):
        read_struct(io.BytesIO(b"\x1b\0\0"))
