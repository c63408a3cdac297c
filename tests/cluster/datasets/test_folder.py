"""A dataset folder: its lease, its records and what it does about stores that refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.datasets.folder import DatasetError, DatasetFolder, parquet_files
from cluster.datasets.tables import FENCED_KEY
from cluster.storage import files
from cluster.storage.holder import Holder
from cluster.storage.lease import LeaseError, is_open
from cluster.storage.parquet import read_table, write_table
from schemas.runs import RunRecord
from tests.support.servers import gs_bucket

RECORD = RunRecord.from_json((Path(__file__).resolve().parents[2] / "fixtures" / "records" / "run.json").read_text())


def test_one_run_holds_the_lease(tmp_path):
    first, second = (DatasetFolder(str(tmp_path), run_id=run_id) for run_id in ("r1", "r2"))
    with first.lease() as lease:
        assert first.writer is lease
        assert Path(first.lease_uri()).exists()
        assert lease.predecessors == ()
        with pytest.raises(LeaseError, match="run r1"), second.lease():
            pass
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_nothing_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "file").touch()
    folder = DatasetFolder(str(tmp_path / "file"), run_id="r1")
    with pytest.raises(DatasetError, match=r"file cannot be written to: .*\nWrite to another place"), folder.lease():
        pass
    with pytest.raises(DatasetError, match=r"cannot be written to: .*\nWhat is committed there stays; mend this"):
        folder.write_record(RECORD)


def test_records_of_dead_runs_are_closed_once(tmp_path):
    folder = DatasetFolder(str(tmp_path), run_id="r9")
    folder.write_record(replace(RECORD, run_id="dead", status="running"))
    folder.write_record(replace(RECORD, run_id="done"))
    folder.write_report("as it was", "done")
    (tmp_path / "runs" / "odd.json").write_text("{}")
    folder.close_runs(["dead", "done", "odd", "unrecorded"], RunRecord, recounted, lambda record: record.status)
    assert read(folder, "dead").counts.extracted == 0
    assert read(folder, "done").counts.extracted == RECORD.counts.extracted > 0
    assert [read(folder, run_id).status for run_id in ("dead", "done")] == ["died", "completed"]
    assert Path(folder.run_uri(".html", "dead")).read_text() == "died"
    assert Path(folder.run_uri(".html", "done")).read_text() == "as it was"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "dead.html",
        "dead.json",
        "done.html",
        "done.json",
        "odd.json",
    ]


def test_a_dataset_without_reports_gets_none(tmp_path):
    folder = DatasetFolder(str(tmp_path), run_id="r9")
    folder.write_record(replace(RECORD, run_id="dead", status="running"))
    folder.close_runs(["dead"], RunRecord, recounted)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["dead.json"]


LEDGER = pa.schema([pa.field("id", pa.string())])


def test_what_a_dead_run_was_committing_is_fenced():
    """A ledger counts once its shard is there: it may name only what the shard has."""
    with gs_bucket() as bucket:
        folder = DatasetFolder(bucket, run_id="r2")
        names = ["shards/whole", "shards/none", "ledger/none", "ledger/whole", "failures/none"]
        for name, ids in (("shards/whole", ["a"]), ("ledger/whole", ["a", "b"]), ("ledger/none", ["c"])):
            write_table(folder.place(name), pa.table({"id": ids}, LEDGER))
        left = replace(Holder.of_this_process("r1"), machine="elsewhere", changing=tuple(names), is_released=True)
        files.write_bytes(folder.lease_uri(), left.to_bytes())
        with folder.lease() as lease:
            shard_of = {folder.place(f"ledger/{name}"): folder.place(f"shards/{name}") for name in ("whole", "none")}
            folder.fence(lambda uri: LEDGER, shard_of.get)
            assert lease.unfenced == ()
        found = {name: read_table(folder.place(name)) for name in names}
        assert {name: table["id"].to_pylist() for name, table in found.items()} == {
            "shards/whole": ["a"],
            "ledger/whole": ["a"],
            "shards/none": [],
            "ledger/none": [],
            "failures/none": [],
        }
        assert {table.schema.metadata[FENCED_KEY.encode()] for table in found.values()} == {b"r2"}
        assert not is_open(folder.lease_uri())


def test_repairs_are_told(tmp_path, caplog):
    folder = DatasetFolder(str(tmp_path), run_id="r1")
    folder.log_repair({})
    assert not caplog.text
    folder.log_repair({"x": {"b", "a"}, "y": {"b"}})
    assert "2 videos had two rows, of which the later one stays: 'a', 'b'" in caplog.text


def test_parquet_files_lie_anywhere_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/x.parquet", "a/b/y.parquet", "a/z.json"):
        (tmp_path / name).touch()
    assert sorted(parquet_files(str(tmp_path))) == [str(tmp_path / "a/b/y.parquet"), str(tmp_path / "a/x.parquet")]
    assert parquet_files(str(tmp_path / "none")) == []


def recounted(record: RunRecord) -> RunRecord:
    return replace(record, counts=replace(record.counts, extracted=0))


def read(folder, run_id):
    return RunRecord.from_json(Path(folder.run_uri(".json", run_id)).read_text())
