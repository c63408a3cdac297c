"""Records of runs that died, by what their runs have committed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.datasets.committed import committed_features, committed_rows
from cluster.storage.parquet import write_table
from schemas.failures import FailureRow, failure_table
from schemas.labels import LABEL_LEDGER_SCHEMA
from schemas.runs import RunRecord
from schemas.scorings import ScoringRecord

RECORDS = Path(__file__).resolve().parents[2] / "fixtures" / "records"
FOLDERS = ("shards", "ledger", "failures")


@pytest.fixture
def folders(tmp_path) -> list[str]:
    return [f"{tmp_path}/{folder}" for folder in FOLDERS]


def shard(**rows: tuple[int, float, float]) -> pa.Table:
    columns = zip(*rows.values(), strict=True) if rows else ((), (), ())
    frames, seconds, coverage = map(list, columns)
    return pa.table(
        {
            "id": pa.array(list(rows), pa.string()),
            "num_frames": pa.array(frames, pa.int32()),
            "duration_seconds": pa.array(seconds, pa.float32()),
            "coverage": pa.array(coverage, pa.float32()),
        }
    )


def ledger(*ids: str) -> pa.Table:
    return pa.Table.from_pylist([{"id": name, "content": ""} for name in ids], LABEL_LEDGER_SCHEMA)


def failures(**codes: str) -> pa.Table:
    rows = [FailureRow(name, f"http://h/{name}?key=x", "read", code, "no", 1, "r1", "") for name, code in codes.items()]
    return failure_table(rows)


def test_an_extraction_counts_what_is_in_its_shards(folders, tmp_path):
    record = replace(RunRecord.from_json((RECORDS / "run.json").read_text()), run_id="r1", status="died")
    features, ledgers, failed = folders
    write_table(f"{features}/part-r1-00000.parquet", shard(a=(3, 3.5, 1.0), b=(2, 2.0, 0.5)))
    write_table(f"{ledgers}/part-r1-00000.parquet", ledger("a", "b"))
    write_table(f"{features}/part-r1-00001.parquet", shard())  # fenced
    write_table(f"{failed}/part-r1-00001.parquet", failures(d="empty", c="missing"))
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*"))
    write_table(f"{features}/part-r10-00000.parquet", shard(x=(9, 9.0, 1.0)))  # of another run
    found = committed_features(record, *folders)
    counts = found.counts
    assert (counts.extracted, counts.failed, counts.partial, counts.shards) == (2, 2, 1, 1)
    assert (counts.frames, counts.decoded_seconds, counts.bytes_written) == (5, 5.5, size)
    assert found.failures_by_code == {"empty": 1, "missing": 1}
    assert [(note.id, note.code) for note in found.failures] == [("c", "missing"), ("d", "empty")]
    assert "key=x" not in found.to_json()
    assert found.counts.videos_total == record.counts.videos_total
    assert found.status == "died"


def test_an_extraction_that_committed_nothing_counts_nothing(folders):
    record = RunRecord.from_json((RECORDS / "run.json").read_text())
    found = committed_features(record, *folders)
    counts = found.counts
    assert (counts.extracted, counts.failed, counts.shards, counts.frames, counts.bytes_written) == (0, 0, 0, 0, 0)
    assert (found.failures, found.failures_by_code) == ((), {})
    RunRecord.from_json(found.to_json())


def test_a_scoring_counts_labels_whose_shard_is_there(folders):
    record = replace(ScoringRecord.from_json((RECORDS / "scoring.json").read_text()), run_id="r1")
    record = replace(record, counts=replace(record.counts, failed=0))
    labels, ledgers, failed = folders
    for number, ids in enumerate((["a", "b"], ["c"])):
        write_table(f"{ledgers}/part-r1-{number:05d}.parquet", ledger(*ids))
    write_table(f"{labels}/part-r1-00000.parquet", pa.table({"id": ["a", "b"]}))
    write_table(f"{failed}/part-r1-00000.parquet", failures(d="empty"))
    found = committed_rows(record, "scored", *folders)
    assert (found.counts.scored, found.counts.failed, found.counts.shards) == (2, 1, 1)
    assert found.failures_by_code == {"empty": 1}


def test_videos_of_feature_files_that_could_not_be_read_stay_failures(folders):
    record = ScoringRecord.from_json((RECORDS / "scoring.json").read_text())
    record = replace(record, counts=replace(record.counts, failed=7))
    assert committed_rows(record, "scored", *folders).counts.failed == 7
