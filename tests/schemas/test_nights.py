"""Night records: strict, and right in their sums."""

from dataclasses import replace

import pytest

from schemas.label_statistics import Drift
from schemas.nights import NightCounts, NightRecord
from schemas.records import MAX_FAILURES
from schemas.strict_json import JsonMismatchError
from tests.support.nights import drift_row, labels_of, night_of, run_of


def test_a_record_survives_the_way_through_json() -> None:
    drift = Drift(nights=("2026-02-28",), other_models=1, divergence=0.25, classes=(drift_row("a"),))
    record = night_of(labels=labels_of({"a": 3, "b": 1}, unlabelled=2), drift=drift)
    assert NightRecord.from_json(record.to_json()) == record
    assert record.to_json() == night_of(labels=labels_of({"b": 1, "a": 3}, unlabelled=2), drift=drift).to_json()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"date": "2026-03-01"', '"date": "1 March"', "date is '1 March'"),
        ('"model"', '"modell"', "did you mean 'model'"),
        ('"schema_version": 1', '"schema_version": 2', "use the release of Framemill that wrote it"),
        ('"status": "completed"', '"status": "done"', "status is 'done', allowed: running, completed"),
        ('"unlabelled": 0', '"unlabelled": 5', "do not add up to all videos"),
        ('"extracted": 9', '"extracted": -9', "counts cannot be negative: extracted=-9"),
    ],
)
def test_what_is_wrong_is_refused(old: str, new: str, problem: str) -> None:
    text = night_of(labels=labels_of({"a": 3})).to_json()
    assert old in text
    with pytest.raises(JsonMismatchError, match=problem):
        NightRecord.from_json(text.replace(old, new))


def test_a_day_without_runs_or_with_endless_failures_is_no_record() -> None:
    night = night_of()
    with pytest.raises(ValueError, match=rf"there are no runs; {MAX_FAILURES + 1} failures, at most {MAX_FAILURES}"):
        replace(night, runs=(), failures=night.failures * (MAX_FAILURES + 1))


def test_runs_add_up() -> None:
    second = run_of(
        status="interrupted",
        counts=NightCounts(new=1, retried=3, extracted=2, failed=2, labelled=11, unread=4),
        failures_by_code={"truncated": 1, "empty": 1},
    )
    night = night_of(runs=(run_of(), second))
    assert night.counts == NightCounts(new=9, changed=2, retried=3, extracted=11, failed=3, labelled=20, unread=4)
    assert (night.cost.held_core_seconds, night.cost.bytes_read) == (2000.0, 10_000_000)
    assert night.failures_by_code == {"empty": 1, "truncated": 2}
    assert (night.status, night.wall_seconds) == ("interrupted", 1200.0)


def test_only_a_run_that_came_to_no_end_has_died() -> None:
    night = night_of(runs=(run_of(), run_of(status="failed"), run_of(status="running")))
    assert [run.status for run in night.closed().runs] == ["completed", "failed", "died"]
    assert night.closed().closed() == night.closed()
    assert [run.counts.new for run in night.closed().runs] == [8, 8, 0]
