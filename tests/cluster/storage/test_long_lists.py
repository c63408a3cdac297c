"""A list that goes over many pages reads as one that has a page for itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from cluster.storage import long_lists
from cluster.storage.long_lists import PAGE_ITEMS
from cluster.storage.parquet import encode_on_disk, encode_table, read_table, write_table
from schemas.codes import Codes, code_lists
from tests.support.memory import memory_growth

RNG = np.random.default_rng(0)


def row_of(count: int, dim: int = 40) -> pa.Table:
    columns = {name: code_lists([Codes.of(RNG.integers(0, 256, (count, dim), np.uint8))]) for name in ("rgb", "audio")}
    names = pa.array([["x", "y"]], pa.list_(pa.string()))
    table = pa.table({"id": ["a"], "rgb": columns["rgb"], "n": [count], "names": names, "audio": columns["audio"]})
    return table.replace_schema_metadata({"made": "here"})


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lists, "LONG_BYTES", 0)


@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize("count", [1, PAGE_ITEMS, PAGE_ITEMS + 1, 5_000])
def test_all_readers_see_the_whole_list(count: int, tmp_path: Path) -> None:
    row, path = row_of(count), tmp_path / "part.parquet"
    expected = row.to_pylist()
    write_table(str(path), row)
    stored = pq.read_table(path)
    assert stored.to_pylist() == ds.dataset(path).to_table().to_pylist() == expected
    assert stored.schema.field("rgb").type == pa.list_(pa.large_binary())
    assert (stored.schema.metadata, pq.read_metadata(path).metadata[b"made"]) == ({b"made": b"here"}, b"here")
    (frame,) = pd.read_parquet(path).to_dict("records")
    assert (list(frame["rgb"]), list(frame["audio"]), frame["n"]) == (expected[0]["rgb"], expected[0]["audio"], count)
    (found,) = duckdb.sql(f"select id, rgb, n, names, audio from '{path}'").fetchall()
    assert found == tuple(expected[0].values())
    assert duckdb.sql(f"select rgb[{count}] from '{path}'").fetchall() == [(expected[0]["rgb"][-1],)]
    with pq.ParquetFile(path, buffer_size=4096) as file:
        (batch,) = file.iter_batches(16, [0], ["audio"], use_threads=False)
        assert batch.to_pylist() == [{"audio": expected[0]["audio"]}]
        assert len(list(file.iter_batches(1, columns=["id"]))) == 1


@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())])
def test_a_row_that_was_read_is_written_again(kind: Any) -> None:
    items = [b"x" * 9, b"", b"longer than a view holds itself"] * 1_000
    table = pa.table({"id": ["a"], "codes": pa.array([items], pa.list_(kind))})
    content = encode_table(table)
    assert pq.read_table(io.BytesIO(content)).to_pylist() == table.to_pylist()
    assert bytes(encode_on_disk(table)) == content


@pytest.mark.usefixtures("short_pages")
def test_the_footer_tells_the_sizes() -> None:
    content = encode_table(row_of(3_000))
    group = pq.read_metadata(io.BytesIO(content)).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    assert group.total_byte_size == sum(column.total_uncompressed_size for column in columns)
    for column in columns:
        if column.path_in_schema in ("rgb.list.element", "audio.list.element"):
            assert (column.num_values, column.compression) == (3_000, "ZSTD")
            assert 3_000 * 44 < column.total_uncompressed_size < 3_000 * 44 + 500
            assert column.total_compressed_size < column.total_uncompressed_size + 500


def test_a_long_list_is_not_held_in_memory_once_more(tmp_path: Path) -> None:
    vectors = RNG.integers(0, 256, (100_000, 1024), np.uint8)
    table = pa.table({"id": ["a"], "rgb": code_lists([Codes(vectors, np.ones(100_000, np.int64))])})
    with memory_growth() as growth:
        content = encode_on_disk(table)
    assert growth.bytes < 48 << 20  # of 100 MB
    (tmp_path / "part.parquet").write_bytes(content)
    query = f"select len(rgb), rgb[1], rgb[50000], rgb[100000] from '{tmp_path}/part.parquet'"
    assert duckdb.sql(query).fetchall() == [(100_000, *(bytes(vectors[place]) for place in (0, 49_999, -1)))]


def test_short_lists_are_left_to_pyarrow(tmp_path: Path) -> None:
    uri = f"{tmp_path}/t.parquet"
    write_table(uri, row_of(100))
    assert "RLE_DICTIONARY" in pq.read_metadata(uri).row_group(0).column(1).encodings
    assert read_table(uri).num_rows == 1
