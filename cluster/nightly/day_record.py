"""The record and page of a day, kept up to date by the one run that works on it.

The record says `running` as soon as the run has begun, so that a run which is killed can be seen in it; the next run
marks it as `died`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cluster.nightly.config import NightlyOptions
from cluster.nightly.drift import drift_of
from cluster.nightly.records import NightRecords
from cluster.nightly.related_pages import related_pages
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.night_report import night_headline, render_night_report
from cluster.runs.provenance import command_line, package_versions, without_secrets
from cluster.storage.redaction import redacted_uri
from extractors.video.thumbnail import Thumbnail
from schemas.errors import InputError
from schemas.label_statistics import LabelStatistics
from schemas.nights import NightCost, NightCounts, NightRecord, NightRun
from schemas.records import MAX_FAILURES, Machine, utc_text
from schemas.runs import RunRecord
from schemas.scorings import ScoringRecord

NIGHTS_COMPARED = 7

logger = logging.getLogger("framemill")


class DayRecord:
    """The record of `day`, with the run `run_id` as its last one."""

    def __init__(
        self,
        records: NightRecords,
        day: str,
        *,
        options: NightlyOptions,
        model: str,
        fingerprint: Mapping[str, str],
        weights_warning: str | None,
        run_id: str,
        machine: Machine,
    ) -> None:
        self._records, self._day = records, day
        self._options, self._model = options, model
        self._fingerprint, self._weights_warning = fingerprint, weights_warning
        self._earlier = [self._closed(night) for night in records.before(day, NIGHTS_COMPARED)]
        found = records.read(day)
        self._before = None if found is None else self._closed(found)  # with the earlier runs of this day
        self._failures = {} if found is None else {note.id: note for note in found.failures}
        now = utc_text(datetime.now(UTC))
        self._run = NightRun(
            run_id=run_id,
            status="running",
            problem="",
            started_at=now,
            finished_at=now,
            command=command_line(),
            extraction_run=None,
            scoring_run=None,
            machine=machine,
            counts=NightCounts(),
            cost=NightCost(),
            failures_by_code={},
        )
        self.has_begun = False

    @property
    def counts(self) -> NightCounts:
        """The videos of this run so far."""
        return self._run.counts

    @property
    def extracted(self) -> int:
        """The videos that the day's runs have extracted so far."""
        return sum(run.counts.extracted for run in self._runs)

    @property
    def extraction_runs(self) -> set[str | None]:
        """The ids of the day's extraction runs so far."""
        return {run.extraction_run for run in self._runs}

    @property
    def _runs(self) -> tuple[NightRun, ...]:
        return (*(self._before.runs if self._before is not None else ()), self._run)

    @property
    def is_complete(self) -> bool:
        """Whether the last run before this one completed the day."""
        return self._before is not None and self._before.status == "completed"

    @property
    def page_uri(self) -> str:
        """The URI of the day's page."""
        return self._records.page_uri(self._day)

    def begin(self, counts: NightCounts, extraction_run: str | None = None) -> None:
        """Record that the run works on the videos of `counts`, with the id of its extraction, if there is one."""
        self.has_begun = True
        self._run = replace(self._run, counts=counts, extraction_run=extraction_run)
        self._records.prepare()
        self._records.write_options(self._day, self._options)
        self._records.write(self._record(None))
        logger.info(
            f"night {self._day}: {counts.new} new videos, {counts.changed} changed, {counts.retried} tried again"
        )

    def count_committed(self, extraction_of: Callable[[str], RunRecord | None]) -> None:
        """Count what runs of the day that died have extracted, once the records of their extractions tell."""
        if self._before is not None:
            runs = tuple(self._with_committed(run, extraction_of) for run in self._before.runs)
            self._before = replace(self._before, runs=runs)

    def _with_committed(self, run: NightRun, extraction_of: Callable[[str], RunRecord | None]) -> NightRun:
        record = extraction_of(run.extraction_run) if run.status == "died" and run.extraction_run else None
        if record is None:
            return run
        self._failures |= {note.id: note for note in record.failures}
        counts = replace(run.counts, extracted=record.counts.extracted, failed=record.counts.failed)
        return replace(run, counts=counts, failures_by_code=record.failures_by_code)

    def add_extraction(self, record: RunRecord) -> None:
        """Add counts, cost and failures of the extraction."""
        counts, seconds = record.counts, record.wall_seconds
        cost = NightCost(
            extraction_seconds=seconds,
            held_core_seconds=seconds * record.machine.cpus,
            used_core_seconds=sum(record.seconds_by_stage.values()),
            gpu_seconds=seconds * record.machine.gpus,
            bytes_read=counts.bytes_read,
            bytes_written=counts.bytes_written,
        )
        self._failures |= {note.id: note for note in record.failures}
        self._run = replace(
            self._run,
            extraction_run=record.run_id,
            machine=record.machine,
            counts=replace(self._run.counts, extracted=counts.extracted, failed=counts.failed),
            cost=self._run.cost.plus(cost),
            failures_by_code=record.failures_by_code,
        )

    def add_scoring(self, record: ScoringRecord) -> None:
        """Add counts and cost of the scoring."""
        counts, seconds = record.counts, record.wall_seconds
        cost = NightCost(
            scoring_seconds=seconds,
            held_core_seconds=seconds * record.machine.cpus,
            gpu_seconds=seconds * record.machine.gpus,
            bytes_written=counts.bytes_written,
        )
        self._run = replace(
            self._run,
            scoring_run=record.run_id,
            machine=record.machine,
            counts=replace(self._run.counts, labelled=counts.scored, unread=counts.failed),
            cost=self._run.cost.plus(cost),
        )

    def end(self, status: str, problem: str, left: NightCounts) -> None:
        """End the run now; the videos that it has `left` to another run are not counted."""
        finished_at = utc_text(datetime.now(UTC))
        counts = self._run.counts.without(left)
        self._run = replace(self._run, status=status, problem=problem, finished_at=finished_at, counts=counts)

    @property
    def failed(self) -> Collection[str]:
        """Ids that failed in a run of the day."""
        return self._failures.keys()

    def write(
        self,
        labels: LabelStatistics | None,
        pictures: Mapping[str, Thumbnail],
        videos: Mapping[str, str],
        mended: Collection[str],
    ) -> None:
        """Write the record and the page; without `labels`, the day keeps those that it has.

        `videos` are URIs by id, `mended` ids that failed and no longer do.
        """
        record, problem = self._record(labels), self._run.problem
        context = PageContext(videos=videos, unchanged=self._options.unchanged())
        page = self._write_page(record, self._earlier, pictures, context, mended)
        self._records.write(record)  # last: a completed day is not written again
        if problem:
            logger.error(InputError(f"{record.status}: {problem}"))
        else:
            logger.info(f"{record.status}: {night_headline(record)}")
        logger.info(f"report: {page}")

    def _record(self, labels: LabelStatistics | None) -> NightRecord:
        before = self._before
        drift = None if labels is None else drift_of(labels, self._model, self._earlier)
        if labels is None and before is not None:
            labels, drift = before.labels, before.drift
        return NightRecord(
            date=self._day,
            model=self._model,
            checkpoint=tuple(redacted_uri(uri) for uri in self._options.checkpoint),
            fingerprint=self._fingerprint,
            weights_warning=self._weights_warning,
            configuration=without_secrets(self._options.flat()),
            versions=package_versions(),
            runs=self._runs,
            failures=tuple(self._failures[name] for name in sorted(self._failures)[:MAX_FAILURES]),
            labels=labels,
            drift=drift,
        )

    def _closed(self, night: NightRecord) -> NightRecord:
        """The same night; a run of it that was killed is marked as such, in its record and page too."""
        if night.status != "running":
            return night
        night = night.closed()
        self._write_page(night, self._records.before(night.date, NIGHTS_COMPARED), {}, NOTHING, ())
        self._records.write(night)
        return night

    def _write_page(
        self,
        night: NightRecord,
        earlier: Sequence[NightRecord],
        pictures: Mapping[str, Thumbnail],
        context: PageContext,
        mended: Collection[str],
    ) -> str:
        """Write the page of a night; returns the URI to show."""
        pages = related_pages(self._records, self._options, night, earlier)

        def page_at(uri: str) -> str:
            others = tuple(page for page in pages if page.uri != uri)
            return render_night_report(night, earlier, pictures, replace(context, uri=uri, pages=others), mended)

        return self._records.write_page(night.date, page_at)
