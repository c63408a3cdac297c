import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster.dataset import DatasetError, FeatureDataset
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM, FeatureRow
from tests.servers import gs_bucket, http_files

FINGERPRINT = {"frames.weights": "sha256:1", "sampling.fps": "1"}


def open_dataset(root: str | Path, run_id: str = "r1", **changes: object) -> FeatureDataset:
    values = {"rgb_dim": 1024, "frame_features": False, "fingerprint": FINGERPRINT, **changes}
    return FeatureDataset(str(root), run_id=run_id, **values)


def done(name: str, version: str = "v1") -> tuple[FeatureRow, str]:
    zeros = np.zeros(1024, np.float32), np.zeros(AUDIO_DIM, np.float32)
    return FeatureRow(name, (), *zeros, False, 1, 1.0, f"in/{name}.mp4"), version


def failed(name: str, code: str = "missing") -> FailureRow:
    return FailureRow(name, f"in/{name}.mp4", "read", code, "there is no such file", 1, "r1")


def ids(root: Path, folder: str) -> list[str]:
    return sorted(name for file in (root / folder).glob("*.parquet") for name in pq.read_table(file)["id"].to_pylist())


def test_an_empty_place_holds_nothing_and_gets_nothing(tmp_path):
    settled = open_dataset(tmp_path / "out").open()
    assert (settled.done, settled.failed) == ({}, {})
    assert os.listdir(tmp_path) == []


def test_what_is_committed_is_settled_for_the_next_run(tmp_path):
    dataset = open_dataset(tmp_path)
    dataset.commit(0, [done("b"), done("a", "v2")], [failed("c")], ())
    dataset.commit(1, [done("d")], [], ())
    dataset.commit(2, [], [failed("e", "truncated")], ())
    assert dataset.shards == 2
    assert dataset.bytes_written == sum(file.stat().st_size for file in tmp_path.glob("*/*.parquet"))
    settled = open_dataset(tmp_path, "r2").open()
    assert settled.done == {"a": "v2", "b": "v1", "d": "v1"}
    assert settled.failed == {"c": "missing", "e": "truncated"}
    assert sorted(path.name for path in (tmp_path / "features").iterdir()) == [
        "part-r1-00000.parquet",
        "part-r1-00001.parquet",
    ]


def test_a_shard_says_how_it_was_made(tmp_path):
    open_dataset(tmp_path, note="random weights").commit(0, [done("a")], [], ())
    metadata = pq.read_schema(tmp_path / "features/part-r1-00000.parquet").metadata
    assert metadata == {
        b"framemill.schema_version": b"1",
        b"framemill.fingerprint": b'{"frames.weights": "sha256:1", "sampling.fps": "1"}',
        b"framemill.run_id": b"r1",
        b"framemill.note": b"random weights",
    }


def test_another_fingerprint_is_refused_with_every_difference(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    other = {"frames.weights": "random:0", "sound.pca": "none", "sampling.fps": "1"}
    with pytest.raises(DatasetError) as caught:
        open_dataset(tmp_path, fingerprint=other, rgb_dim=2048, frame_features=True).open()
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{tmp_path} holds features made in another way:"
    assert lines[1] == "  - frames.weights: here sha256:1, this run random:0"
    assert lines[2] == "  - sound.pca: here not set, this run none"
    assert lines[3].startswith("  - columns: here id, labels, mean_rgb")
    assert lines[4] == "Give --output another place, or run with the same options"
    assert len(lines) == 5


def test_a_width_or_codes_alone_are_a_difference_too(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    for changes in ({"rgb_dim": 2048}, {"frame_features": True}):
        with pytest.raises(DatasetError, match="columns: here"):
            open_dataset(tmp_path, **changes).open()


def test_files_that_are_none_of_ours_are_refused(tmp_path):
    (tmp_path / "features").mkdir()
    (tmp_path / "features/x.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DatasetError, match=r"x\.parquet is no feature shard"):
        open_dataset(tmp_path).open()
    shutil.rmtree(tmp_path / "features")
    open_dataset(tmp_path).commit(0, [done("a")], [failed("b")], ())
    for folder in ("ledger", "failures"):
        file = tmp_path / folder / "part-r1-00000.parquet"
        content = file.read_bytes()
        file.write_bytes(content[:-9])
        with pytest.raises(DatasetError, match=rf"{folder}/part-r1-00000\.parquet cannot be read"):
            open_dataset(tmp_path).open()
        file.write_bytes(content)


def test_a_ledger_counts_only_with_its_shard(tmp_path):
    dataset = open_dataset(tmp_path)
    dataset.commit(0, [done("a")], [], ())
    dataset.commit(1, [done("b")], [], ())
    (tmp_path / "features/part-r1-00001.parquet").unlink()  # as if the run had died in between
    assert open_dataset(tmp_path).open().done == {"a": "v1"}
    open_dataset(tmp_path, "r2").commit(0, [done("b", "v2")], [], ())
    assert open_dataset(tmp_path).open().done == {"a": "v1", "b": "v2"}
    assert ids(tmp_path, "features") == ["a", "b"]


def test_rows_whose_ledger_was_removed_are_not_done_again(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    shutil.rmtree(tmp_path / "ledger")
    assert open_dataset(tmp_path).open().done == {"a": ""}


def test_half_written_files_do_not_count(tmp_path):
    open_dataset(tmp_path).commit(0, [done("a")], [], ())
    for folder in ("features", "ledger"):
        shard = tmp_path / folder / "part-r1-00000.parquet"
        (tmp_path / folder / ".part-r1-00001.parquet.0.tmp").write_bytes(shard.read_bytes()[:100])
    assert open_dataset(tmp_path).open().done == {"a": "v1"}


def test_a_failure_is_forgotten_when_a_retry_succeeds(tmp_path):
    first = open_dataset(tmp_path)
    first.commit(0, [], [failed("a"), failed("b")], ())
    first.commit(1, [], [failed("c")], ())
    second = open_dataset(tmp_path, "r2")
    second.commit(0, [done("a"), done("c")], [failed("b", "truncated")], retried=("a", "b", "c"))
    assert ids(tmp_path, "features") == ["a", "c"]
    assert ids(tmp_path, "failures") == ["b"]
    assert open_dataset(tmp_path).open().failed == {"b": "truncated"}


def test_a_failure_that_a_crash_left_beside_its_row_is_cleared(tmp_path):
    open_dataset(tmp_path).commit(0, [], [failed("a"), failed("b")], ())
    open_dataset(tmp_path, "r2").commit(0, [done("a")], [], retried=())  # as if it had died before forgetting
    assert ids(tmp_path, "failures") == ["a", "b"]
    dataset = open_dataset(tmp_path, "r3")
    settled = dataset.open()
    assert ids(tmp_path, "failures") == ["a", "b"], "opening writes nothing"
    settled = dataset.prepare(settled)
    assert (settled.done, settled.failed) == ({"a": "v1"}, {"b": "missing"})
    assert (ids(tmp_path, "features"), ids(tmp_path, "failures")) == (["a"], ["b"])
    assert os.listdir(tmp_path / "runs") == []


def test_a_commit_that_was_cut_short_can_be_made_again(tmp_path):
    """A file stands where a folder should be, so that the commit fails after rows were written."""
    dataset = open_dataset(tmp_path)
    (tmp_path / "failures").write_bytes(b"")
    batch = ([done("a"), done("b")], [failed("c")])
    with pytest.raises(OSError, match="failures"):
        dataset.commit(0, *batch, ())
    assert ids(tmp_path, "features") == ["a", "b"]
    (tmp_path / "failures").unlink()
    dataset.commit(0, *batch, ())
    assert (ids(tmp_path, "features"), ids(tmp_path, "failures")) == (["a", "b"], ["c"])
    assert dataset.shards == 1


def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with http_files(tmp_path) as url:
        for root in (tmp_path / "file", tmp_path / "file/out", f"{url}/out"):
            dataset = open_dataset(root)
            with pytest.raises(DatasetError, match="cannot be written to"):
                dataset.prepare(dataset.open())


@pytest.mark.parametrize("name", ["talks [2024]", "a*b", "what?", "with space", "a::b", "line\nbreak"])
def test_odd_names_of_folders_are_folders(tmp_path, name):
    open_dataset(tmp_path / name).commit(0, [done("a")], [failed("b")], ())
    settled = open_dataset(tmp_path / name).open()
    assert (settled.done, settled.failed) == ({"a": "v1"}, {"b": "missing"})


def test_hostile_ids_and_uris_are_data(tmp_path):
    names = ["../../a", "/etc/passwd", "line\nbreak", "x" * 4096, "\x00\x1b[31m", "é🎬"]
    rows = [(replace(done("x")[0], id=name, uri=f"in/{name}\udcff"), "") for name in names]
    open_dataset(tmp_path).commit(0, rows, [replace(failed("y"), uri="caf\udce9", message="no caf\udce9")], ())
    assert ids(tmp_path, "features") == sorted(names)
    assert set(open_dataset(tmp_path).open().done) == set(names)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "failures",
        "features",
        "ledger",
        *["part-r1-00000.parquet"] * 3,
    ]


def test_a_bucket_is_a_dataset_too():
    with gs_bucket() as bucket:
        dataset = open_dataset(f"{bucket}/out")
        assert dataset.prepare(dataset.open()).done == {}
        dataset.commit(0, [done("a")], [failed("b"), failed("c")], ())
        open_dataset(f"{bucket}/out", "r2").commit(0, [done("b", "v2")], [], retried=("b",))
        settled = open_dataset(f"{bucket}/out").open()
        assert (settled.done, settled.failed) == ({"a": "v1", "b": "v2"}, {"c": "missing"})


def test_places_within_the_dataset(tmp_path):
    dataset = open_dataset("gs://bucket/out/")
    assert dataset.vocabulary_uri() == "gs://bucket/out/vocabulary.csv"
    assert dataset.run_uri(".json") == "gs://bucket/out/runs/r1.json"
