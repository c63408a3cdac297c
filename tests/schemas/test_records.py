"""Records written by an earlier release, and what their headers have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from schemas.nights import NightRecord
from schemas.records import MAX_FAILURES, Record, RunHeader, is_date, is_utc, too_many_failures, utc_text
from schemas.runs import Counts, RunRecord
from schemas.scorings import ScoringRecord
from schemas.trainings import TrainingRecord

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "records"
KINDS: dict[str, type[Record]] = {
    "run": RunRecord,
    "scoring": ScoringRecord,
    "training": TrainingRecord,
    "night": NightRecord,
}


def is_part_of(old: Any, new: Any) -> bool:
    """Whether a JSON value is another one but for keys that were added to objects."""
    if isinstance(old, dict):
        return old.keys() <= new.keys() and all(is_part_of(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(is_part_of, old, new))
    return bool(old == new)


@pytest.mark.parametrize("name", KINDS)
def test_a_record_of_an_earlier_release_is_read_and_kept(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text()
    record = KINDS[name].from_json(text)
    assert is_part_of(json.loads(text), json.loads(record.to_json()))
    assert KINDS[name].from_json(record.to_json()).to_json() == record.to_json()


def test_the_fingerprint_of_labels_keeps_its_key() -> None:
    text = (FOLDER / "scoring.json").read_text()
    assert ScoringRecord.from_json(text).label_fingerprint == {"top_k": "5"}
    with pytest.raises(ValueError, match=r"label_fingerprint: unknown key(.|\n)*manner: missing"):
        ScoringRecord.from_json(text.replace('"manner"', '"label_fingerprint"'))


@pytest.mark.parametrize("name", ["run", "scoring"])
def test_only_a_run_without_an_end_has_died(name: str) -> None:
    record = KINDS[name].from_json((FOLDER / f"{name}.json").read_text())
    assert isinstance(record, RunHeader)
    assert record.closed() == record
    assert replace(record, status="running").closed() == replace(record, status="died")


def test_all_problems_of_a_header_are_reported_at_once() -> None:
    record = RunRecord.from_json((FOLDER / "run.json").read_text())
    with pytest.raises(ValueError, match=r"status is 'odd', allowed: .*; started_at is 'now'.*; finished_at is 'then'"):
        replace(record, status="odd", started_at="now", finished_at="then")
    with pytest.raises(ValueError, match="cannot be negative: failed=-2, extracted=-1"):
        Counts(**{**vars(record.counts), "extracted": -1, "failed": -2})


def test_the_number_of_failures_is_limited() -> None:
    assert not list(too_many_failures("f" * MAX_FAILURES))
    assert list(too_many_failures("f" * (MAX_FAILURES + 1))) == ["201 failures, at most 200: keep the first ones"]


def test_times_are_written_in_utc() -> None:
    there = datetime(2025, 1, 31, 8, 0, tzinfo=timezone(timedelta(hours=2)))
    assert utc_text(there) == utc_text(there.astimezone(UTC)) == "2025-01-31T06:00:00.000Z"
    assert is_utc(utc_text(there))
    assert not is_utc(there.isoformat())


@pytest.mark.parametrize("text", ["2026-02-30", "2026-2-3", "20260203", "", "2026-W01-1", "../2026"])
def test_what_is_no_day(text: str) -> None:
    assert not is_date(text)


def test_a_day() -> None:
    assert is_date("2024-02-29")
