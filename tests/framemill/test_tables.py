"""`framemill.read`: feature shards as pandas and Arrow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import framemill
from schemas.quantization import dequantize
from tests.support.features import FINGERPRINT, feature_row, write_shard

ROWS = [feature_row(number, frames=number % 4 + 1) for number in range(7)]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_shard(tmp_path / "features" / "a.parquet", ROWS[:4], row_group_size=3)
    write_shard(tmp_path / "features" / "b.parquet", ROWS[4:])
    return tmp_path


def test_means_are_arrays(dataset: Path) -> None:
    table = framemill.read(dataset)
    assert table.id.tolist() == [row.id for row in ROWS]
    assert "rgb" not in table
    for found, row in zip(table.itertuples(), ROWS, strict=True):
        np.testing.assert_array_equal(found.mean_rgb, row.mean_rgb, strict=True)
        np.testing.assert_array_equal(found.labels, row.labels)
    assert table.attrs["framemill.fingerprint"] == FINGERPRINT


def test_names_of_classes_are_those_of_the_vocabulary(dataset: Path) -> None:
    assert framemill.read(dataset).attrs["framemill.classes"] == ()
    (dataset / "vocabulary.csv").write_text("index,name\n0,cat\n1,dog\n")
    assert framemill.read(dataset).attrs["framemill.classes"] == ("cat", "dog")


def test_codes_of_frames_are_decoded(dataset: Path) -> None:
    table = framemill.read(dataset, frames=True)
    for found, row in zip(table.itertuples(), ROWS, strict=True):
        np.testing.assert_array_equal(found.rgb, dequantize(np.asarray(row.rgb)), strict=True)
        np.testing.assert_array_equal(found.audio, dequantize(np.asarray(row.audio)), strict=True)


def test_as_arrow(dataset: Path) -> None:
    table = framemill.read(dataset, frames=True, columns=["id", "rgb"], form="arrow")
    assert table.column_names == ["id", "rgb"]
    assert table["rgb"].type == pa.large_list(pa.list_(pa.float32(), 16))
    np.testing.assert_array_equal(table["rgb"][5].as_py(), dequantize(np.asarray(ROWS[5].rgb)))
    assert b"framemill.fingerprint" in table.schema.metadata


def test_columns_come_in_the_order_given(dataset: Path) -> None:
    assert framemill.read(dataset, columns=["split", "id"]).columns.tolist() == ["split", "id"]
    assert framemill.read([dataset / "features" / "b.parquet"], columns=["id"]).id.tolist() == [r.id for r in ROWS[4:]]


def test_an_unknown_column_is_refused_with_those_that_there_are(dataset: Path) -> None:
    with pytest.raises(framemill.InputError, match=r"no column mean_rbg; it has id, labels, mean_rgb"):
        framemill.read(dataset, columns=["mean_rbg"])


def test_columns_of_frames_are_read_with_them(dataset: Path) -> None:
    with pytest.raises(framemill.InputError, match=r"^rgb of each frame: framemill\.read\(…, frames=True\) has them$"):
        framemill.read(dataset, columns=["id", "rgb"])
    write_shard(dataset / "means" / "a.parquet", [feature_row(0)])
    with pytest.raises(framemill.InputError, match="no column rgb; it has id"):
        framemill.read(dataset / "means", columns=["id", "rgb"])


def test_frames_that_were_not_kept(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.parquet", [feature_row(0)])
    with pytest.raises(framemill.InputError, match="frame_features=True"):
        framemill.read(tmp_path, frames=True)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(framemill.InputError, match=r"no \.parquet"):
        framemill.read(tmp_path)
