"""Vectors are read as pyarrow reads them, or left to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.features.blocks import _Plain, read_blocks
from cluster.features.files import open_features
from cluster.features.plain_vectors import plain_vectors, rows_between
from cluster.storage.parquet import write_table
from schemas.features import feature_schema, feature_table
from tests.support.features import DIM, FINGERPRINT, feature_row

ROWS, WIDTH = 700, 6
VALUES = np.random.default_rng(0).standard_normal((ROWS, WIDTH), dtype=np.float32)
Changed = Callable[[np.ndarray], pa.Array]


def fixed(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), WIDTH)


def with_missing_number(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array([None, *values.reshape(-1)[1:].tolist()], pa.float32()), WIDTH)


def with_missing_list(values: np.ndarray) -> pa.Array:
    return pa.array([None, *values[1:].tolist()], pa.list_(pa.float32(), WIDTH))


def of_other_lengths(values: np.ndarray) -> pa.Array:
    flat = values.reshape(-1).tolist()
    rows = [flat[: WIDTH - 1], flat[WIDTH - 1 : 2 * WIDTH], *values[2:].tolist()]
    return pa.array(rows, pa.list_(pa.float32()))


def of_doubles(values: np.ndarray) -> pa.Array:
    return fixed(values.astype(np.float64))


def read(column: pa.Array, path: Path, group: int = 0, **options: Any) -> list[np.ndarray] | None:
    written = {"compression": "none", "use_dictionary": False, **options}
    pq.write_table(pa.table({"id": np.arange(len(column)), "v": column}), path, **written)
    return plain_vectors(pq.read_metadata(path), memoryview(path.read_bytes()), group, "v", WIDTH)


@pytest.mark.parametrize("page_bytes", [1 << 20, 1 << 10])
@pytest.mark.parametrize("group_rows", [ROWS, 256])
def test_plain_pages_are_read_whatever_their_number(page_bytes: int, group_rows: int, tmp_path: Path) -> None:
    groups = range(-(-ROWS // group_rows))
    options = {"row_group_size": group_rows, "data_page_size": page_bytes, "write_batch_size": 8 * WIDTH}
    pages = [read(fixed(VALUES), tmp_path / "a.parquet", group, **options) for group in groups]
    found = [page for of_group in pages for page in of_group or ()]
    np.testing.assert_array_equal(np.concatenate(found), VALUES)
    assert len(found) > len(groups) or page_bytes > 1 << 10
    np.testing.assert_array_equal(rows_between(found, 100, 300), VALUES[100:300])


@pytest.mark.parametrize(
    "column", [with_missing_number, with_missing_list, of_other_lengths, of_doubles], ids=lambda change: change.__name__
)
def test_other_columns_are_left_to_pyarrow(column: Changed, tmp_path: Path) -> None:
    assert read(column(VALUES), tmp_path / "a.parquet") is None


@pytest.mark.parametrize(
    "options",
    [{"compression": "zstd"}, {"use_dictionary": True}, {"data_page_version": "2.0"}, {"use_byte_stream_split": ["v"]}],
    ids=str,
)
def test_other_pages_are_left_to_pyarrow(options: dict[str, Any], tmp_path: Path) -> None:
    if "use_byte_stream_split" in options:
        options = {"column_encoding": {"v.list.element": "BYTE_STREAM_SPLIT"}}
    assert read(fixed(VALUES), tmp_path / "a.parquet", **options) is None


@pytest.mark.parametrize(("place", "before", "after"), [(1, 0, 2), (None, b"\x15\x06\x15\x06", b"\x15\x08\x15\x06")])
def test_other_kinds_of_pages_and_of_levels_are_left_to_pyarrow(
    place: int | None, before: Any, after: Any, tmp_path: Path
) -> None:
    """A page whose header says that it is an index, and one with levels that have no length before them."""
    path = tmp_path / "a.parquet"
    read(fixed(VALUES), path)
    metadata = pq.read_metadata(path)
    content, start = bytearray(path.read_bytes()), metadata.row_group(0).column(1).data_page_offset
    assert plain_vectors(metadata, memoryview(content), 0, "v", WIDTH)
    if place is None:
        place, size = content.index(before, start) - start, len(before)
        content[start + place : start + place + size] = after
    else:
        assert content[start + place] == before
        content[start + place] = after
    assert plain_vectors(metadata, memoryview(content), 0, "v", WIDTH) is None


def test_levels_of_any_size_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.features.plain_vectors.MAX_LEVELS_BYTES", 100)
    assert read(fixed(VALUES), tmp_path / "a.parquet") is None
    assert read(fixed(VALUES[:10]), tmp_path / "a.parquet") is not None


def test_levels_that_say_otherwise_are_left_to_pyarrow(tmp_path: Path) -> None:
    """Of as many numbers as there should be, in lists of another length."""
    path = tmp_path / "a.parquet"
    read(pa.array(VALUES.reshape(-1, 2 * WIDTH).tolist(), pa.list_(pa.float32())), path)
    assert plain_vectors(pq.read_metadata(path), memoryview(path.read_bytes()), 0, "v", WIDTH) is None


def test_blocks_of_a_shard_are_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [feature_row(number) for number in range(1300)]
    path = tmp_path / "a.parquet"
    metadata = {"framemill.fingerprint": '{"source": "test"}'}
    write_table(str(path), feature_table(rows, feature_schema(DIM, frame_features=False), metadata))
    (file,) = open_features([str(path)], fingerprint=FINGERPRINT).files
    with pq.ParquetFile(path) as parquet:
        plain = _Plain.of(file, parquet)
        assert plain is not None
        assert plain.vectors(0) is not None
    fast = list(read_blocks(file, "video", [0]))
    monkeypatch.setattr("cluster.features.blocks.plain_vectors", lambda *_: None)
    slow = list(read_blocks(file, "video", [0]))
    assert [block.start for block in fast] == [block.start for block in slow] == [0, 512, 1024]
    for one, other in zip(fast, slow, strict=True):
        for name in ("rgb", "audio", "num_frames"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


def test_a_file_that_was_replaced_meanwhile_is_left_to_pyarrow(tmp_path: Path) -> None:
    path, schema = tmp_path / "a.parquet", feature_schema(DIM, frame_features=False)
    write_table(str(path), feature_table([feature_row(0)], schema, {"framemill.fingerprint": "{}"}))
    (file,) = open_features([str(path)]).files
    with pq.ParquetFile(path) as parquet:
        write_table(str(path), feature_table([feature_row(1), feature_row(2)], schema, {}))
        assert _Plain.of(file, parquet) is None
