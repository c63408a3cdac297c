"""What small files decode to, and files of honest rows that pass."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.storage import parquet_claims
from cluster.storage.parquet_claims import MAX_ROWS, check_claims, check_file

ROWS = 100_000


def check(table: pa.Table, columns: list[str] | None = None, **options: Any) -> None:
    limits = {name: options.pop(name) for name in ("rows_at_once", "decoded_bytes") if name in options}
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    metadata = pq.ParquetFile(pa.BufferReader(file.getvalue())).metadata
    check_claims(metadata, memoryview(file.getvalue()), columns, **limits)


def texts(count: int = ROWS) -> list[str]:
    return [f"gs://bucket/videos/{number:07d}.mp4" for number in range(count)]


@pytest.mark.parametrize(
    "options",
    [
        *({"compression": name} for name in ("none", "snappy", "gzip", "zstd", "lz4", "brotli")),
        {"data_page_version": "2.0", "compression": "zstd", "compression_level": 19},
        {"use_dictionary": False, "column_encoding": {"uri": "DELTA_BYTE_ARRAY", "id": "DELTA_LENGTH_BYTE_ARRAY"}},
    ],
)
def test_rows_that_differ_pass(options: dict[str, Any]) -> None:
    rows = {"id": [f"v{number}" for number in range(ROWS)], "uri": texts(), "split": ["train"] * ROWS}
    check(pa.table(rows), rows_at_once=128, **options)


def test_more_rows_than_bytes_are_refused() -> None:
    options = {"use_dictionary": ["uri"], "column_encoding": {"id": "DELTA_BINARY_PACKED"}}
    count = MAX_ROWS + 1
    with pytest.raises(ValueError, match=rf"it claims {count:,} rows, at most {MAX_ROWS:,} in [\d,]+ bytes: write it"):
        check(pa.table({"id": np.arange(count), "uri": ["a"] * count}), **options)
    check(pa.table({"id": np.arange(MAX_ROWS), "uri": ["a"] * MAX_ROWS}), **options)


def long_text(size: int) -> pa.Array:
    return pa.array(["x" * size])


def same_text(size: int) -> pa.Array:
    return pa.array(["x" * 4096] * (size // 4096))


def long_list(size: int) -> pa.Array:
    return pa.array([np.zeros(size // 8, np.int64)])


def codes_of_one_video(size: int) -> pa.Array:
    codes = pa.array([bytes(1024)] * (size // 1024), pa.binary())
    return pa.ListArray.from_arrays(pa.array([0, len(codes)], pa.int32()), codes)


def vectors(size: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(size // 4, np.float32)), 1024)


def fixed_size(size: int) -> pa.Array:
    return pa.array([bytes(4096)] * (size // 4096), pa.binary(4096))


def nothing(size: int) -> pa.Array:
    return pa.array([[None] * (size // 8)], pa.list_(pa.int8()))


PLAIN = {"use_dictionary": False}


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (long_text, PLAIN),
        (long_text, {}),
        (same_text, {}),
        (same_text, PLAIN | {"column_encoding": {"c": "DELTA_BYTE_ARRAY"}}),
        *((make, {}) for make in (long_list, codes_of_one_video, vectors, fixed_size, nothing)),
    ],
)
def test_what_decodes_to_much_is_refused(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[int], pa.Array], options: dict[str, Any]
) -> None:
    monkeypatch.setattr(parquet_claims, "COMPRESSION", 1)
    options = {"compression": "zstd", "decoded_bytes": 16 << 20, **options}
    check(pa.table({"c": make(2 << 20)}), **options)
    message = r"up to column c.* of row group \d, it takes [\d,]+ bytes once it is decoded|column c has a dictionary of"
    with pytest.raises(ValueError, match=message):
        check(pa.table({"c": make(24 << 20)}), **options)
    check(pa.table({"c": make(24 << 20)}), columns=["other"], **options)  # it is not read


def test_an_hour_of_one_frame_passes() -> None:
    # A recording of a slide: one row of 3,600 equal codes beside means that differ, as shards have them.
    codes = pa.array([bytes(1024)] * 3600 * 100, pa.binary())
    rgb = pa.ListArray.from_arrays(np.arange(0, 360_001, 3600, dtype=np.int32), codes)
    means = pa.FixedSizeListArray.from_arrays(
        pa.array(np.random.default_rng(0).standard_normal(102_400).astype(np.float32)), 1024
    )
    check(pa.table({"id": texts(100), "mean_rgb": means, "rgb": rgb}), compression="zstd")


def test_damaged_files_are_value_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": texts(1000)}), path, compression="none")
    content = bytearray(path.read_bytes())
    metadata = pq.ParquetFile(path).metadata
    check_file(metadata, str(path))
    content[metadata.row_group(0).column(0).dictionary_page_offset] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="page"):
        check_file(metadata, str(path))
