"""Nights on disk: in their order, and the report is that of the latest."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.nightly.records import NightRecordError, NightRecords
from tests.support.nights import night_of


def test_nights_before_a_day(tmp_path: Path) -> None:
    records = NightRecords(str(tmp_path))
    assert (records.days(), records.before("2026-03-01", 7), records.read("2026-03-01")) == ([], [], None)
    days = [f"2026-02-{day}" for day in range(20, 29)]
    for day in reversed(days):
        records.write(night_of(day))
    assert records.days() == days
    assert [night.date for night in records.before("2026-02-28", 3)] == ["2026-02-25", "2026-02-26", "2026-02-27"]
    assert records.before("2026-02-20", 7) == []
    assert records.read("2026-02-25") == night_of("2026-02-25")


def test_a_record_that_cannot_be_read(tmp_path: Path, caplog) -> None:
    records = NightRecords(str(tmp_path))
    records.write(night_of("2026-02-27"))
    (tmp_path / "nights" / "2026-02-28.json").write_text("{}")
    with pytest.raises(NightRecordError, match=r"2026-02-28.json: night record: .*\n(.*\n)*Move it away"):
        records.read("2026-02-28")
    assert [night.date for night in records.before("2026-03-01", 7)] == ["2026-02-27"]
    assert "a night is left out of the comparison" in caplog.text


def test_the_report_is_the_page_of_the_latest_day(tmp_path: Path) -> None:
    records = NightRecords(str(tmp_path))
    records.write(night_of("2026-03-02"))
    assert records.write_page("2026-03-02", lambda uri: f"second at {uri}") == str(tmp_path / "report.html")
    records.write(night_of("2026-03-01"))
    assert records.write_page("2026-03-01", lambda uri: f"first at {uri}") == records.page_uri("2026-03-01")
    assert (tmp_path / "report.html").read_text() == f"second at {tmp_path / 'report.html'}"
    assert (tmp_path / "nights" / "2026-03-02.html").read_text() == f"second at {records.page_uri('2026-03-02')}"
    assert (tmp_path / "nights" / "2026-03-01.html").read_text() == f"first at {records.page_uri('2026-03-01')}"
