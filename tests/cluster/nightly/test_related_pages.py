"""Links of a night: to pages that exist, and to no others."""

from __future__ import annotations

from pathlib import Path

from cluster.nightly.config import NightlyOptions
from cluster.nightly.records import NightRecords
from cluster.nightly.related_pages import related_pages
from cluster.reports.links import PageLink
from tests.support.nights import night_of, run_of


def test_a_night_leads_to_its_training_its_extractions_and_previous_nights(tmp_path: Path) -> None:
    options = NightlyOptions.of(
        videos="videos",
        features=str(tmp_path / "features"),
        checkpoint=(str(tmp_path / "one"), str(tmp_path / "two")),
        labels=str(tmp_path / "labels"),
    )
    runs = (run_of(extraction_run="first"), run_of(extraction_run=None), run_of(extraction_run="second"))
    night, earlier = night_of("2026-03-01", runs=runs), [night_of("2026-02-09"), night_of("2026-02-28")]
    records = NightRecords(options.labels)
    nights = (
        PageLink("Night of 28 February", records.page_uri("2026-02-28")),
        PageLink("Night of 9 February", records.page_uri("2026-02-09")),
    )
    latest = PageLink("Latest night", str(tmp_path / "labels" / "report.html"))
    assert related_pages(records, options, night, earlier) == (latest, *nights)
    for page in ("features/runs/second.html", "two/training.html"):
        (tmp_path / page).parent.mkdir(parents=True)
        (tmp_path / page).touch()
    assert related_pages(records, options, night, earlier) == (
        latest,
        PageLink("Training", str(tmp_path / "two" / "training.html")),
        PageLink("Extraction second", str(tmp_path / "features" / "runs" / "second.html")),
        *nights,
    )
