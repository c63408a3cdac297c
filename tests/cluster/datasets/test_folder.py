"""A dataset folder: its lease, its records and what it does about stores that refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.datasets.folder import DatasetError, DatasetFolder, parquet_files
from cluster.storage.lease import LeaseError
from schemas.runs import RunRecord

RECORD = RunRecord.from_json((Path(__file__).resolve().parents[2] / "fixtures" / "records" / "run.json").read_text())


def test_one_run_holds_the_lease(tmp_path):
    first, second = (DatasetFolder(str(tmp_path), run_id=run_id) for run_id in ("r1", "r2"))
    first.check_lease()  # without one there is nothing to lose
    with first.lease() as lease:
        assert Path(first.lease_uri()).exists()
        assert lease.predecessors == ()
        with pytest.raises(LeaseError, match="run r1"), second.lease():
            pass
    assert not Path(first.lease_uri()).exists()


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
    folder.close_records(["dead", "done", "odd", "unrecorded"], RunRecord, lambda record: record.status)
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
    folder.close_records(["dead"], RunRecord)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["dead.json"]


def test_parquet_files_lie_anywhere_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/x.parquet", "a/b/y.parquet", "a/z.json"):
        (tmp_path / name).touch()
    assert sorted(parquet_files(str(tmp_path))) == [str(tmp_path / "a/b/y.parquet"), str(tmp_path / "a/x.parquet")]
    assert parquet_files(str(tmp_path / "none")) == []


def read(folder, run_id):
    return RunRecord.from_json(Path(folder.run_uri(".json", run_id)).read_text())
