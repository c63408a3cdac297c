"""Compactions from options to an exit code, on disks, in a bucket and in partitions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.compaction import job, small_files
from cluster.compaction.config import CompactionOptions
from cluster.compaction.job import run_compaction
from cluster.datasets import feature_dataset
from cluster.datasets.partitions import Partition
from cluster.features.columns import read_index
from cluster.features.files import open_features
from cluster.runs.lifecycle import ExitCode
from cluster.storage.lease import Lease
from cluster.storage.listing import list_files
from cluster.storage.parquet import read_table, write_table
from schemas.ledger import revision_of
from schemas.runs import RunRecord
from tests.support.dataset import rows
from tests.support.features import feature_row
from tests.support.servers import gs_bucket, s3_bucket
from tests.support.shards import commit_nights, content_of, shard_dataset

FOLDERS = ("features", "ledger", "failures")
COUNT = 60
RECORD = Path(__file__).resolve().parents[2] / "fixtures" / "records" / "run.json"


def compacted(root: Path | str, **options: object) -> ExitCode:
    return run_compaction(CompactionOptions.of(output=str(root), **options))


def files_in(root: Path, folder: str) -> list[str]:
    return sorted(path.name for path in (root / folder).rglob("*.parquet"))


@pytest.mark.parametrize("frames", [0, 5], ids=["means", "frames"])
def test_small_files_become_what_one_commit_would_have_written(tmp_path: Path, frames: int) -> None:
    root, whole = tmp_path / "out", tmp_path / "whole"
    dataset = shard_dataset(root, "r1", has_frames=bool(frames))
    commit_nights(dataset, range(COUNT), frames=frames)
    before = {folder: rows(root, folder) for folder in FOLDERS}
    assert len(files_in(root, "features")) == 30
    assert len(files_in(root, "failures")) == 8
    assert compacted(root) == ExitCode.DONE
    assert {folder: rows(root, folder) for folder in FOLDERS} == before
    (name,) = files_in(root, "features")
    assert files_in(root, "ledger") == [name]
    assert files_in(root, "failures") == ["part-r1-00054_0001.parquet"]
    assert not [path for path in root.rglob("*") if path.name.startswith((".", "lease"))]
    at_once = shard_dataset(whole, "r1", has_frames=bool(frames))
    commit_nights(at_once, range(COUNT), frames=frames, rows_per_night=COUNT)
    for folder in ("features", "ledger"):
        made = pq.ParquetFile(root / folder / name)
        expected = pq.ParquetFile(next((whole / folder).iterdir()))
        assert made.schema_arrow.equals(expected.schema_arrow)
        replaced = made.schema_arrow.metadata.pop(b"framemill.replaces", b"[]")
        assert made.schema_arrow.metadata | {b"framemill.replaces": replaced} == (
            expected.schema_arrow.metadata | {b"framemill.replaces": replaced}
        )
        assert len(json.loads(replaced)) == (30 if folder == "features" else 0)
        assert columns(made.metadata) == columns(expected.metadata)
        assert made.read().equals(expected.read())
    assert [name.removesuffix(".parquet") for name in files_in(root, "features")] == ["part-r1-00058_0001"]


def columns(metadata: pq.FileMetaData) -> list[tuple[object, ...]]:
    """How each column of each row group is stored."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [
        (column.path_in_schema, column.encodings, column.compression, column.num_values, column.total_uncompressed_size)
        for group in groups
        for column in (group.column(place) for place in range(metadata.num_columns))
    ]


def test_a_dry_run_says_what_would_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit_nights(shard_dataset(tmp_path, "r1"), range(COUNT))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert compacted(tmp_path, dry_run=True, rows_per_shard=30) == ExitCode.DONE
    assert capsys.readouterr().out == (
        f"{tmp_path}: 30 shards, of which 30 small ones with 52 rows become 2; "
        "8 failure files, of which 8 small ones with 8 rows become 1\n"
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_large_files_stay_and_a_second_compaction_finds_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = shard_dataset(tmp_path, "r1")
    commit_nights(dataset, range(10), rows_per_night=20)
    commit_nights(shard_dataset(tmp_path, "r2"), range(10, 40))
    large = tmp_path / "features" / "part-r1-00000.parquet"
    before = large.read_bytes()
    for expected in ("14 small ones with 24 rows become 2", "4 shards, none to join"):
        caplog.clear()
        with caplog.at_level(logging.INFO, "framemill"):
            assert compacted(tmp_path, rows_per_shard=12) == ExitCode.DONE
        assert expected in caplog.text
    assert large.read_bytes() == before
    assert [pq.read_metadata(path).num_rows for path in sorted((tmp_path / "features").iterdir())] == [9, 12, 12, 2]


@pytest.mark.parametrize("other", [{"revision": "2"}, {"note": "random weights"}, {"has_frames": True}], ids=str)
def test_shards_of_another_schema_revision_or_note_are_kept_apart(tmp_path: Path, other: dict[str, Any]) -> None:
    commit_nights(shard_dataset(tmp_path, "r1"), range(4))
    commit_nights(shard_dataset(tmp_path, "r2", **other), range(7, 11), frames=3 if "has_frames" in other else 0)
    assert compacted(tmp_path) == ExitCode.DONE
    first, second = files_in(tmp_path, "ledger")
    assert (first, second) == ("part-r1-00002_0001.parquet", "part-r2-00002_0001.parquet")
    found = [revision_of(read_table(str(tmp_path / "ledger" / name))) for name in (first, second)]
    assert found == ["1", other.get("revision", "1")]
    schemas = [pq.read_schema(tmp_path / "features" / name) for name in (first, second)]
    note = other["note"].encode() if "note" in other else None
    assert [schema.metadata.get(b"framemill.note") for schema in schemas] == [None, note]
    assert ["rgb" in schema.names for schema in schemas] == [False, "has_frames" in other]


def test_shards_without_ledger_or_of_large_rows_or_unreadable_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = shard_dataset(tmp_path, "r1", has_frames=True)
    commit_nights(dataset, range(12), frames=3)
    large = feature_row(100, frames=400)
    dataset.commit(100, [(large, content_of(large))], [], ())
    monkeypatch.setattr(small_files, "LARGE_ROW_BYTES", 50_000)
    names = files_in(tmp_path, "features")
    (tmp_path / "ledger" / names[0]).unlink()
    (tmp_path / "features" / names[2]).write_bytes(b"PAR1 no")
    damaged = tmp_path / "features" / names[3]
    content = damaged.read_bytes()
    damaged.write_bytes(content[:200] + bytes(byte ^ 255 for byte in content[200:3000]) + content[3000:])
    assert compacted(tmp_path) == ExitCode.DONE
    left = files_in(tmp_path, "features")
    assert {names[0], names[2], names[3], "part-r1-00100.parquet"} < set(left)
    assert len(left) == 5
    for name in names[2:4]:
        assert f"{tmp_path / 'features' / name} cannot be read, and stays as it is" in caplog.text


def test_many_files_are_gone_through_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_dataset, "FEW_FILES", 4)
    commit_nights(shard_dataset(tmp_path, "r1"), range(COUNT))
    before = {folder: rows(tmp_path, folder) for folder in FOLDERS}
    assert compacted(tmp_path, rows_per_shard=20) == ExitCode.DONE
    assert {folder: rows(tmp_path, folder) for folder in FOLDERS} == before
    assert len(files_in(tmp_path, "features")) == 3


def test_partitions_are_compacted_one_after_the_other_or_alone(tmp_path: Path) -> None:
    for number in (1, 2):
        dataset = shard_dataset(tmp_path, f"r{number}", partition=Partition(number, 2))
        with dataset.lease():
            dataset.prepare()
            commit_nights(dataset, range(COUNT))
    before = {folder: recursive(tmp_path, folder) for folder in FOLDERS}
    halves = [tmp_path / "features" / f"partition-{number}-of-2" for number in (1, 2)]
    assert compacted(tmp_path, partition="2/2") == ExitCode.DONE
    assert [len(list(half.iterdir())) for half in halves] == [len(list(halves[0].iterdir())), 1]
    assert len(list(halves[0].iterdir())) > 10
    with shard_dataset(tmp_path, "r3", partition=Partition(1, 2)).lease():
        assert compacted(tmp_path) == ExitCode.BAD_INPUT, "one is being written"
    assert compacted(tmp_path) == ExitCode.DONE
    assert [len(list(half.iterdir())) for half in halves] == [1, 1]
    assert {folder: recursive(tmp_path, folder) for folder in FOLDERS} == before
    assert compacted(tmp_path, partition="1/3") == ExitCode.BAD_INPUT


def recursive(root: Path, folder: str) -> list[dict[str, object]]:
    found = [row for path in (root / folder).rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: str(row["id"]))


@pytest.mark.parametrize("served", [gs_bucket, s3_bucket])
def test_a_bucket_is_compacted(served: Callable[[], AbstractContextManager[str]]) -> None:
    with served() as bucket:
        root = f"{bucket}/out"
        commit_nights(shard_dataset(root, "r1", has_frames=True), range(20), frames=2)
        ids = read_index(open_features([root])).ids
        assert compacted(root) == ExitCode.DONE
        found = {folder: [file.uri for file in list_files(f"{root}/{folder}")] for folder in FOLDERS}
        assert {folder: len(uris) for folder, uris in found.items()} == {"features": 1, "ledger": 1, "failures": 1}
        assert sorted(read_index(open_features([root])).ids) == sorted(ids)
        assert read_table(found["ledger"][0])["id"].to_pylist() == sorted(ids)
        assert sorted(read_table(found["failures"][0])["id"].to_pylist()) == ["v00006", "v00013"]


def test_the_record_of_a_run_that_died_counts_its_rows_before_its_files_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_nights(shard_dataset(tmp_path, "r0"), range(100, 106))
    died = shard_dataset(tmp_path, "r1")
    commit_nights(died, range(6))
    died.write_record(replace(RunRecord.from_json(RECORD.read_text()), run_id="r1", status="running"))
    monkeypatch.setattr(Lease, "predecessors", ("r1",))
    assert compacted(tmp_path) == ExitCode.DONE
    record = RunRecord.from_json((tmp_path / "runs" / "r1.json").read_text())
    assert (record.status, record.counts.extracted) == ("died", 6)
    assert len(files_in(tmp_path, "features")) == 1


def test_what_is_no_dataset_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert compacted(tmp_path / "none") == ExitCode.BAD_INPUT
    write_table(str(tmp_path / "other" / "features" / "x.parquet"), pa.table({"id": ["a"]}))
    assert compacted(tmp_path / "other") == ExitCode.BAD_INPUT
    assert caplog.text.count("holds no features") == 2


def test_a_store_that_takes_no_more_ends_the_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_nights(shard_dataset(tmp_path, "r1"), range(COUNT))
    before = rows(tmp_path)

    def fail(self: object, group: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(job.Replacement, "replace", fail)
        assert compacted(tmp_path) == ExitCode.FAILED
    assert rows(tmp_path) == before
    assert compacted(tmp_path) == ExitCode.DONE
