from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.folder import DatasetError
from cluster.datasets.shard_sink import LARGE_ROW_BYTES, MAX_SHARD_BYTES, Sink
from schemas.codes import Codes
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM, FeatureRow


@pytest.fixture
def dataset(tmp_path):
    return FeatureDataset(str(tmp_path), run_id="r1", rgb_dim=1024, frame_features=True, fingerprint={})


def row(name: str, frames: int = 1) -> FeatureRow:
    codes = (Codes(np.zeros((1, dim), np.uint8), np.array([frames])) for dim in (1024, AUDIO_DIM))
    means = np.zeros(1024, np.float32), np.zeros(AUDIO_DIM, np.float32)
    return FeatureRow(name, (), *means, False, frames, 1.0, name, rgb=next(codes), audio=next(codes))


def failure(name: str) -> FailureRow:
    return FailureRow(name, name, "read", "missing", "m", 1, "r1", "")


def shards(root: Path, folder: str = "features") -> list[list[str]]:
    return [pq.read_table(file, columns=["id"])["id"].to_pylist() for file in sorted((root / folder).glob("*.parquet"))]


def test_shards_are_full_but_for_the_last(dataset, tmp_path):
    sink = Sink(dataset, 3, ())
    for number in range(8):
        sink.add_row(row(f"{number}"), "")
    assert shards(tmp_path) == [["0", "1", "2"], ["3", "4", "5"]]
    sink.commit()
    sink.commit()
    assert shards(tmp_path) == [["0", "1", "2"], ["3", "4", "5"], ["6", "7"]]


def test_failures_are_committed_by_as_many(dataset, tmp_path):
    sink = Sink(dataset, 2, ())
    for number in range(3):
        sink.add_failure(failure(f"{number}"))
    assert shards(tmp_path, "failures") == [["0", "1"]]
    sink.commit()
    assert shards(tmp_path, "failures") == [["0", "1"], ["2"]]
    assert shards(tmp_path) == []


def test_a_shard_does_not_outgrow_its_bytes(dataset, tmp_path):
    sink = Sink(dataset, 1000, ())
    frames = MAX_SHARD_BYTES // (5 * 1152)
    for name in "abcdef":
        sink.add_row(row(name, frames), "")
    sink.commit()
    assert shards(tmp_path) == [["a", "b", "c", "d", "e"], ["f"]]


def test_a_large_row_has_a_shard_of_its_own(dataset, tmp_path):
    sink = Sink(dataset, 1000, ())
    for name, frames in (("a", 1), ("b", LARGE_ROW_BYTES // 1152), ("c", 1)):
        sink.add_row(row(name, frames), "")
    sink.commit()
    assert shards(tmp_path) == [["a"], ["b"], ["c"]]


def test_a_row_that_cannot_be_stored_is_the_failure_of_its_video(dataset):
    sink = Sink(dataset, 1000, ())
    good = row("a")
    assert sink.checked(good, "v1") is good
    for changes in (
        {"mean_rgb": np.zeros(7, np.float32)},
        {"num_frames": 2},
        {"num_frames": 1 << 31, "rgb": None, "audio": None},
        {"labels": ("cat",)},
        {"tracks": "\udcff"},
    ):
        failed = sink.checked(replace(good, **changes), "v1")
        assert isinstance(failed, FailureRow), changes
        assert (failed.id, failed.code, failed.stage, failed.run_id, failed.content) == (
            *("a", "internal", "write"),
            *("r1", "v1"),
        )
        assert "an error in this program" in failed.message


def test_nothing_is_written_for_nothing(dataset, tmp_path):
    Sink(dataset, 3, ()).commit()
    assert list(tmp_path.iterdir()) == []


def test_a_commit_that_failed_is_made_again_and_no_row_stands_twice(dataset, tmp_path):
    sink = Sink(dataset, 2, ())
    (tmp_path / "failures").write_bytes(b"")  # a file in the way: rows are written, failures are not
    sink.add_failure(failure("x"))
    sink.add_row(row("a"), "")
    with pytest.raises(DatasetError, match="failures"):
        sink.add_row(row("b"), "")
    assert shards(tmp_path) == [["a", "b"]]
    (tmp_path / "failures").unlink()
    sink.add_row(row("c"), "")
    assert (shards(tmp_path), shards(tmp_path, "failures")) == ([["a", "b", "c"]], [["x"]])
    sink.add_row(row("d"), "")
    sink.commit()
    assert shards(tmp_path) == [["a", "b", "c"], ["d"]]


def test_ids_that_had_failed_before_leave_the_failures(dataset, tmp_path):
    first = Sink(dataset, 10, ())
    for name in "ab":
        first.add_failure(failure(name))
    first.commit()
    again = FeatureDataset(str(tmp_path), run_id="r2", rgb_dim=1024, frame_features=True, fingerprint={})
    second = Sink(again, 10, {"a": "missing", "b": "missing"})
    second.add_row(row("a"), "")
    second.commit()
    assert (shards(tmp_path), shards(tmp_path, "failures")) == ([["a"]], [["b"]])
