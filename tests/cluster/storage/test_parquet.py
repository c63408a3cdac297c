import duckdb
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.tables import load_table, remove_rows
from cluster.storage.parquet import (
    TableError,
    encode_on_disk,
    encode_table,
    read_columns,
    read_table,
    write_table,
)
from cluster.storage.writer import PlainWriter
from schemas.codes import Codes, code_lists
from tests.support.memory import memory_growth
from tests.support.servers import gs_bucket

TABLE = pa.table({"id": ["a", "b", "c"], "n": [1, 2, 3]}).replace_schema_metadata({"made": "here"})


def test_columns_come_in_the_requested_order(tmp_path):
    uri = f"{tmp_path}/t.parquet"
    assert write_table(uri, TABLE) == (tmp_path / "t.parquet").stat().st_size
    assert read_table(uri, ["n", "id"]).column_names == ["n", "id"]


def test_few_columns_are_read_without_the_rest_on_disk_and_in_a_bucket(tmp_path):
    with gs_bucket() as bucket:
        for root in (str(tmp_path), bucket):
            uri = f"{root}/t.parquet"
            write_table(uri, TABLE)
            assert read_columns(uri, ("n",)).to_pydict() == {"n": [1, 2, 3]}
            assert read_columns(uri, ("n", "id")).num_columns == 2


def test_distinct_columns_have_no_dictionary():
    encoded = pq.ParquetFile(pa.BufferReader(encode_table(TABLE, ["n"])))
    encodings = [encoded.metadata.row_group(0).column(place).encodings for place in (0, 1)]
    assert ["RLE_DICTIONARY" in names for names in encodings] == [True, False]
    assert encoded.read().equals(TABLE)


def test_views_are_stored_as_bytes_that_all_readers_know(tmp_path):
    uri, codes = f"{tmp_path}/t.parquet", [[b"x" * 1024, b"y"], [], [b"x" * 1024] * 3]
    views = pa.table({"id": ["a", "b", "c"], "codes": pa.array(codes, pa.list_(pa.binary_view()))})
    write_table(uri, views.replace_schema_metadata({"made": "here"}))
    stored = pq.read_table(uri)
    assert stored.schema.field("codes").type == pa.list_(pa.large_binary())
    assert (stored["codes"].to_pylist(), pandas.read_parquet(uri)["codes"].map(list).tolist()) == (codes, codes)
    assert stored.schema.metadata == {b"made": b"here"}
    assert pq.read_metadata(uri).metadata[b"made"] == b"here"  # for readers that do not know Arrow
    assert encode_table(views) == bytes(encode_on_disk(views))


def test_a_list_that_repeats_a_few_values_is_read_and_rewritten_without_repeating_them(tmp_path):
    uri, count = f"{tmp_path}/t.parquet", 300_000
    codes = [Codes(np.full((1, 1024), number, np.uint8), np.array([count])) for number in range(2)]
    write_table(uri, pa.table({"id": ["a", "b"], "codes": code_lists(codes)}))
    stored = pq.read_schema(uri)
    with memory_growth() as growth:
        assert read_table(uri)["codes"].combine_chunks().value_lengths().to_pylist() == [count] * 2
        assert remove_rows(PlainWriter(), load_table(PlainWriter(), uri), {"a"}) == 1
    assert growth.bytes < 64 << 20  # where the values take 600 MB
    assert pq.read_schema(uri) == stored
    assert duckdb.sql(f"select id, len(codes), codes[300000] from '{uri}'").fetchall() == [("b", count, b"\1" * 1024)]


def test_a_file_that_is_not_a_table_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match=r"t\.parquet cannot be read"):
        read_table(f"{tmp_path}/t.parquet")
    with pytest.raises(TableError, match=r"t\.parquet cannot be read"):
        read_columns(f"{tmp_path}/t.parquet", ("id",))
