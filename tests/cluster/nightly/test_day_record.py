"""The record of a day: its runs, sums and page, without any extraction or scoring."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.nightly.config import NightlyOptions
from cluster.nightly.day_record import DayRecord, NightSubject
from cluster.nightly.parts.outcome import PartOutcome
from cluster.nightly.records import NightRecords
from schemas.nights import NightCost, NightCounts, NightRecord
from schemas.records import Machine
from tests.support.nights import labels_of, night_of, run_of

DAY, BEFORE = "2026-03-02", "2026-03-01"


@pytest.fixture
def records(tmp_path) -> NightRecords:
    return NightRecords(str(tmp_path))


def day_record(records: NightRecords, root: Path, run_id: str = "r1") -> DayRecord:
    options = NightlyOptions.of(videos="v", features="f", checkpoint=("c",), labels=str(root), date=DAY)
    return DayRecord(
        records,
        DAY,
        options=options,
        subject=NightSubject(
            model="m", labels_of="features", extracts=True, fingerprint={"fps": "1"}, weights_warning=None
        ),
        run_id=run_id,
        machine=Machine(engine="local", nodes=1, cpus=2, gpus=0),
    )


def read(records: NightRecords, day: str = DAY) -> NightRecord:
    record = records.read(day)
    assert record is not None
    return record


def test_a_run_is_recorded_when_it_begins_and_when_it_ends(records, tmp_path):
    day = day_record(records, tmp_path)
    assert not day.runs.has_begun
    assert not day.runs.is_complete
    day.begin(NightCounts(new=3, changed=1))
    assert day.runs.has_begun
    assert read(records).status == "running"
    day.runs.end("interrupted", "", NightCounts(new=2))
    day.write(None, {}, {}, ())
    record = read(records)
    assert (record.status, record.counts, record.labels) == ("interrupted", NightCounts(new=1, changed=1), None)
    assert Path(day.page_uri).exists()
    assert not day_record(records, tmp_path).runs.is_complete


def test_a_part_is_recorded_when_it_begins_and_when_it_ends(records, tmp_path):
    day = day_record(records, tmp_path)
    day.begin_part("extraction", "e1", NightCounts(new=3))
    (run,) = read(records).runs
    assert (run.status, run.extraction_run, run.scoring_run, run.counts) == ("running", "e1", None, NightCounts(new=3))
    day.runs.add(PartOutcome(counts=NightCounts(extracted=2)))
    day.begin_part("scoring", "s1", NightCounts(new=9))  # which the run has begun with before
    (run,) = read(records).runs
    assert (run.extraction_run, run.scoring_run, run.counts) == ("e1", "s1", NightCounts(new=3, extracted=2))
    day.runs.add(PartOutcome(counts=NightCounts(labelled=5), cost=NightCost(scoring_seconds=2.0)))
    day.runs.end("completed", "", NightCounts())
    day.write(labels_of({"a": 3}), {}, {}, ())
    (run,) = read(records).runs
    assert (run.counts, run.cost.scoring_seconds) == (NightCounts(new=3, extracted=2, labelled=5), 2.0)
    assert day_record(records, tmp_path).runs.is_complete


def test_labels_are_compared_with_earlier_nights_and_kept_by_a_run_without_new_ones(records, tmp_path):
    records.write(night_of(BEFORE, labels=labels_of({"a": 4})))
    day = day_record(records, tmp_path)
    day.begin(NightCounts())
    day.runs.end("completed", "", NightCounts())
    day.write(labels_of({"a": 1, "b": 1}), {}, {}, ())
    first = read(records)
    assert first.drift is not None
    assert [entry.name for entry in first.drift.new] == ["b"]
    second = day_record(records, tmp_path, "r2")
    second.begin(NightCounts())
    second.runs.end("failed", "scoring: failed", NightCounts())
    second.write(None, {}, {}, ())
    record = read(records)
    assert [run.run_id for run in record.runs] == ["r1", "r2"]
    assert (record.labels, record.drift) == (first.labels, first.drift)


def test_runs_that_were_killed_are_closed_on_this_day_and_earlier_ones(records, tmp_path):
    dead = run_of(status="running", counts=NightCounts(new=2))
    records.write(night_of(BEFORE, runs=(dead,)))
    records.write(night_of(DAY, runs=(replace(dead, run_id="r0"),)))
    day = day_record(records, tmp_path)
    assert [read(records, each).status for each in (BEFORE, DAY)] == ["died", "died"]
    assert all((tmp_path / "nights" / f"{each}.html").exists() for each in (BEFORE, DAY))
    day.begin(NightCounts(new=1))
    assert [(run.status, run.counts.new) for run in read(records).runs] == [("died", 0), ("running", 1)]


def test_a_problem_is_logged_as_an_error(records, tmp_path, caplog):
    day = day_record(records, tmp_path)
    day.begin(NightCounts(new=1))
    day.runs.end("completed", "too many failures: extraction of 1", NightCounts())
    with caplog.at_level(logging.INFO, "framemill"):
        day.write(None, {}, {}, ())
    levels = {entry.levelname: entry.getMessage() for entry in caplog.records}
    assert levels["ERROR"] == "completed: too many failures: extraction of 1"
    assert levels["INFO"] == f"report: {tmp_path / 'report.html'}"
