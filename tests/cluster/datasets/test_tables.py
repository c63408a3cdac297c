from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets.tables import (
    FENCED_KEY,
    GROUP_FILES,
    fence_table,
    groups,
    load_table,
    remove_rows,
    store_table,
    tables_with,
)
from cluster.storage import files
from cluster.storage.lease import Lease
from cluster.storage.parquet import read_table, write_table
from cluster.storage.writer import PlainWriter
from tests.support.servers import gs_bucket

TABLE = pa.table({"id": ["a", "b", "c"], "n": [1, 2, 3]}).replace_schema_metadata({"made": "here"})
EMPTY = TABLE.slice(0, 0)
PLAIN = PlainWriter()


@pytest.fixture
def uri(tmp_path):
    write_table(f"{tmp_path}/t.parquet", TABLE)
    return f"{tmp_path}/t.parquet"


def test_items_come_in_groups():
    assert [list(group) for group in groups(range(GROUP_FILES + 1))] == [list(range(GROUP_FILES)), [GROUP_FILES]]
    assert list(groups([])) == []


def test_rows_are_found_and_removed_and_the_others_kept(uri, tmp_path):
    untouched = (tmp_path / "t.parquet").stat().st_mtime_ns
    assert load_table(PLAIN, uri).matching({"c", "x"}).to_pylist() == [False, False, True]
    assert remove_rows(PLAIN, load_table(PLAIN, uri), {"x"}) == 0
    assert (tmp_path / "t.parquet").stat().st_mtime_ns == untouched
    assert remove_rows(PLAIN, load_table(PLAIN, uri), pa.chunked_array([["a"], ["x"]])) == 1
    kept = pq.read_table(uri)
    assert (kept["id"].to_pylist(), kept.schema.metadata) == (["b", "c"], {b"made": b"here"})
    assert remove_rows(PLAIN, load_table(PLAIN, uri), {"b", "c"}) == 2
    assert list(tmp_path.iterdir()) == []


def test_tables_with_some_ids_are_found(uri, tmp_path):
    other = f"{tmp_path}/other.parquet"
    write_table(other, TABLE.slice(1))
    assert [stored.uri for stored in tables_with(PLAIN, [uri, other], {"a", "x"})] == [uri]
    assert tables_with(PLAIN, [uri, other], pa.chunked_array([["x"]])) == []


def test_a_table_is_replaced_twice_without_being_read_again():
    with gs_bucket() as bucket:
        uri = f"{bucket}/t.parquet"
        write_table(uri, TABLE)
        writer = Lease(f"{bucket}/lease.json", "r1")
        writer.acquire()
        once, size = store_table(writer, load_table(writer, uri), TABLE.slice(1))
        assert size == len(files.read_bytes(uri))
        store_table(writer, once, once.table.slice(1))
        assert read_table(uri)["id"].to_pylist() == ["c"]
        writer.release()


def test_a_fenced_table_is_another_file_with_the_same_rows(uri):
    before = files.read_bytes(uri)
    assert fence_table(PLAIN, uri, "r2", EMPTY)["id"].to_pylist() == ["a", "b", "c"]
    found = pq.read_table(uri)
    assert found.equals(TABLE)
    assert found.schema.metadata == {b"made": b"here", FENCED_KEY.encode(): b"r2"}
    assert files.read_bytes(uri) != before
    fence_table(PLAIN, uri, "r2", EMPTY, only=pa.chunked_array([["b", "x"]]))
    assert pq.read_table(uri)["id"].to_pylist() == ["b"]


def test_a_table_that_is_missing_is_fenced_by_one_without_rows(tmp_path):
    assert len(fence_table(PLAIN, f"{tmp_path}/new.parquet", "r2", EMPTY)) == 0
    found = pq.read_table(tmp_path / "new.parquet")
    assert (found.num_rows, found.column_names) == (0, ["id", "n"])


def test_a_table_that_appears_while_it_is_fenced_keeps_its_rows():
    """The write of a run that was overtaken comes between the look and the fence."""
    with gs_bucket() as bucket:
        uri = f"{bucket}/t.parquet"
        writer = Lease(f"{bucket}/lease.json", "r2")
        writer.acquire()
        read = writer.read

        def read_and_write(where: str) -> tuple[bytes, str]:
            writer.read = read  # type: ignore[method-assign]
            try:
                return read(where)
            finally:
                write_table(uri, TABLE)

        writer.read = read_and_write  # type: ignore[method-assign]
        assert fence_table(writer, uri, "r2", EMPTY)["id"].to_pylist() == ["a", "b", "c"]
        writer.release()
