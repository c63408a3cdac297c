"""The record and page of a day, kept up to date by the one run that works on it.

The record says `running` as soon as the run has begun, so that a run which is killed can be seen in it; the next run
marks it as `died`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.nightly.config import NightlyOptions
from cluster.nightly.day_runs import DayRuns
from cluster.nightly.drift import drift_of
from cluster.nightly.records import NightRecords
from cluster.nightly.related_pages import related_pages
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.night_report import night_headline, render_night_report
from cluster.runs.provenance import package_versions, without_secrets
from cluster.storage.redaction import redacted_uri
from extractors.video.thumbnail import Thumbnail
from schemas.errors import InputError
from schemas.label_statistics import LabelStatistics
from schemas.nights import NightCounts, NightRecord
from schemas.records import MAX_FAILURES, Machine
from schemas.text import counted

NIGHTS_COMPARED = 7

logger = logging.getLogger("framemill")


@dataclass(frozen=True, kw_only=True)
class NightSubject:
    """What a night works with; fields of `NightRecord`."""

    model: str
    labels_of: str
    extracts: bool
    fingerprint: Mapping[str, str]
    weights_warning: str | None


class DayRecord:
    """The record of `day`, with the run `run_id` as its last one."""

    def __init__(
        self,
        records: NightRecords,
        day: str,
        *,
        options: NightlyOptions,
        subject: NightSubject,
        run_id: str,
        machine: Machine,
    ) -> None:
        self._records, self._day = records, day
        self._options, self._subject = options, subject
        self._earlier = [self._closed(night) for night in records.before(day, NIGHTS_COMPARED)]
        found = records.read(day)
        self._before = None if found is None else self._closed(found)  # with the earlier runs of this day
        self.runs = DayRuns(run_id, machine, self._before)

    @property
    def page_uri(self) -> str:
        """The URI of the day's page."""
        return self._records.page_uri(self._day)

    def begin(self, counts: NightCounts) -> None:
        """Record that the run works on the videos of `counts`, unless it has begun."""
        if self.runs.has_begun:
            return
        self.runs.begin(counts)
        self._records.prepare()
        self._records.write_options(self._day, self._options)
        self._records.write(self._record(None))
        logger.info(
            f"night {self._day}: {counted(counts.new, 'new video')}, {counts.changed} changed, "
            f"{counts.retried} tried again"
        )

    def begin_part(self, part: str, run_id: str, counts: NightCounts) -> None:
        """Record that a part of the run begins, and the run with it if it has not begun."""
        self.runs.begin_part(part, run_id)
        if self.runs.has_begun:
            self._records.write(self._record(None))
        self.begin(counts)

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
        record, problem = self._record(labels), self.runs.current.problem
        context = PageContext(videos=videos, unchanged=self._options.unchanged())
        page = self._write_page(record, self._earlier, pictures, context, mended)
        self._records.write(record)  # last: a completed day is not written again
        if problem:
            logger.error(InputError(f"{record.status}: {problem}"))
        else:
            logger.info(f"{record.status}: {night_headline(record)}")
        logger.info(f"report: {page}")

    def _record(self, labels: LabelStatistics | None) -> NightRecord:
        before, failures = self._before, self.runs.failures
        drift = None if labels is None else drift_of(labels, self._subject.model, self._earlier)
        if labels is None and before is not None:
            labels, drift = before.labels, before.drift
        return NightRecord(
            date=self._day,
            checkpoint=tuple(redacted_uri(uri) for uri in self._options.checkpoint),
            configuration=without_secrets(self._options.flat()),
            versions=package_versions(),
            runs=self.runs.all,
            failures=tuple(failures[name] for name in sorted(failures)[:MAX_FAILURES]),
            labels=labels,
            drift=drift,
            **vars(self._subject),
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
