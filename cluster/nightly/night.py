"""One run of a night, from what is left to do to the day's record and page.

extraction of what is new ─► scoring of what has no labels ─► statistics, drift, pictures ─► record, page

A run always ends in a record, whatever ends it. One that is killed leaves the record that it has begun; the next one
says there that it has died.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.datasets.increment import Settled, increment_of, is_replaced
from cluster.engines.base import Engine
from cluster.extraction.job import extract
from cluster.extraction.plan import Plan
from cluster.nightly.config import NightlySettings
from cluster.nightly.drift import drift_of
from cluster.nightly.records import NightRecords
from cluster.nightly.statistics import BATCH_ROWS, NightStatistics
from cluster.nightly.thumbnails import thumbnails_of
from cluster.reports.night_report import night_headline, render_night_report
from cluster.runs.lifecycle import ExitCode, failed
from cluster.runs.provenance import command_line, package_versions, without_secrets
from cluster.scoring.plan import ScoringPlan, make_scoring_plan
from cluster.scoring.run import Scoring
from cluster.storage import files
from cluster.storage.lease import Lease
from cluster.storage.redaction import redacted
from extractors.video.thumbnail import Thumbnail
from schemas.errors import InputError
from schemas.label_statistics import Drift, LabelStatistics
from schemas.nights import NightCost, NightCounts, NightRecord, NightRun
from schemas.records import MAX_FAILURES, utc_text
from schemas.runs import RunRecord
from schemas.scorings import ScoringRecord

NIGHTS_COMPARED = 7
BROKEN = (InputError, OSError)  # what may go wrong with files and stores

logger = logging.getLogger("framemill")


class Night:
    """One run; its `lease` is held meanwhile."""

    def __init__(
        self,
        settings: NightlySettings,
        run_id: str,
        classifier: TrainedClassifier,
        plan: Plan,
        engine: Engine,
        records: NightRecords,
        lease: Lease,
    ) -> None:
        self._settings, self._options, self._day = settings, settings.options, settings.date
        self._classifier, self._plan, self._engine = classifier, plan, engine
        self._records, self._lease = records, lease
        self._earlier = [self._closed(night) for night in records.before(self._day, NIGHTS_COMPARED)]
        found = records.read(self._day)
        self._before = found and self._closed(found)  # the runs of this day until now
        self._has_begun = False
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
            machine=engine.machine(),
            counts=NightCounts(),
            cost=NightCost(),
            failures_by_code={},
        )
        self._failures = {note.id: note for note in found.failures} if found else {}

    def __call__(self) -> ExitCode:
        """Do what is left to do; returns the exit code. Raises what is wrong before anything is touched."""
        try:
            return self._work()
        except KeyboardInterrupt:
            self._give_up("interrupted", "")
            return ExitCode.INTERRUPTED
        except BROKEN as error:
            if not self._has_begun:
                raise
            self._give_up(failed(error), redacted(str(error)))
            return ExitCode.FAILED

    def _give_up(self, status: str, problem: str) -> None:
        if self._has_begun:
            with suppress(*BROKEN):  # it may be the place of the record that is in trouble
                self._end(status, problem)

    def _work(self) -> ExitCode:
        dataset = self._plan.dataset
        counts = _count(self._plan, dataset.settled())
        is_extracting = counts != NightCounts() or files.exists(dataset.lease_uri())
        is_told = self._before is not None and self._before.status == "completed"
        if is_told and not is_extracting and not self._is_unscored(self._scoring_plan()):
            logger.info(f"nothing is new, and {self._day} has its record: {self._records.page_uri(self._day)}")
            return ExitCode.DONE
        self._run = replace(self._run, counts=counts)
        if not is_extracting:
            self._begin()
        else:
            with dataset.lease() as lease:
                self._begin()
                extraction = extract(self._plan, self._engine, lease)
            self._note_extraction(extraction)
            if extraction.status != "completed":
                return self._end(extraction.status, f"extraction: {extraction.status}; its report says more")
        scoring_plan = self._scoring_plan()
        if scoring_plan is not None and self._is_unscored(scoring_plan):
            scoring = Scoring(self._settings.scoring, self._engine)()
            self._note_scoring(scoring)
            if scoring.status != "completed":
                return self._end(scoring.status, f"scoring: {scoring.status}; the log says more")
        return self._end("completed", self._too_many_failures(), scoring_plan)

    def _scoring_plan(self) -> ScoringPlan | None:
        """What the features are and which labels they have; None where there are no features yet."""
        return None if self._plan.dataset.is_empty() else make_scoring_plan(self._settings.scoring)

    def _is_unscored(self, plan: ScoringPlan | None) -> bool:
        """Whether there is anything for scoring to do, or to clear up."""
        if plan is None:
            return False
        is_left_behind = files.exists(files.join(self._options.labels, "lease.json"))
        return is_left_behind or bool(plan.portions(plan.dataset.labelled(on_any_day=True)))

    def _begin(self) -> None:
        """Say that there is a run; if it is killed, that is what tells of it."""
        self._has_begun = True
        self._records.prepare()
        self._records.write_options(self._day, self._options)
        self._records.write(self._record(None, None))
        logger.info(
            f"night {self._day}: {self._run.counts.new} new videos, {self._run.counts.changed} changed, "
            f"{self._run.counts.retried} tried again"
        )

    def _note_extraction(self, record: RunRecord) -> None:
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
            counts=replace(self._run.counts, extracted=counts.extracted, failed=counts.failed),
            cost=self._run.cost.plus(cost),
            failures_by_code=record.failures_by_code,
        )

    def _note_scoring(self, record: ScoringRecord) -> None:
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
            counts=replace(self._run.counts, labelled=counts.scored, unread=counts.failed),
            cost=self._run.cost.plus(cost),
        )

    def _too_many_failures(self) -> str:
        """A sentence that says so; empty where they are few enough."""
        counts, limit = self._run.counts, self._options.failures.max_failure_ratio
        tried = {"extraction": (counts.failed, counts.extracted), "scoring": (counts.unread, counts.labelled)}
        return "; ".join(
            f"too many failures: {part} of {failed} out of {failed + done} videos (--max-failure-ratio {limit:g})"
            for part, (failed, done) in tried.items()
            if failed and failed / (failed + done) > limit
        )

    def _end(self, status: str, problem: str, plan: ScoringPlan | None = None) -> ExitCode:
        """Write the record and the page, with new statistics where there is a `plan`; returns the exit code."""
        labels = None if plan is None else self._statistics(plan)
        if status != "completed":
            self._run = replace(self._run, counts=self._run.counts.without(self._left()))
        self._lease.check()
        finished_at = utc_text(datetime.now(UTC))
        self._run = replace(self._run, status=status, problem=problem, finished_at=finished_at)
        drift = None if labels is None else drift_of(labels, self._classifier.name, self._earlier)
        record = self._record(labels, drift)
        pictures = {} if labels is None or self._options.report.without_pictures else self._pictures(labels)
        page = self._records.write_page(self._day, render_night_report(record, self._earlier, pictures))
        self._records.write(record)  # last: a day that is told of is left alone
        (logger.error if problem else logger.info)(f"{status}: {problem or night_headline(record)}")
        logger.info(f"report: {page}")
        if status != "completed":
            return ExitCode.INTERRUPTED if status == "interrupted" else ExitCode.FAILED
        return ExitCode.TOO_MANY_FAILURES if problem else ExitCode.DONE

    def _left(self) -> NightCounts:
        """What this run took up and has not brought to an end; all of it where that cannot be told."""
        try:
            return _count(self._plan, self._plan.dataset.settled())
        except BROKEN:
            return self._run.counts

    def _statistics(self, plan: ScoringPlan) -> LabelStatistics:
        config = self._classifier.config
        statistics = NightStatistics(config.class_indices, config.class_names, self._options.report.sure_from)
        for table in plan.dataset.tables():
            for batch in table.to_batches(BATCH_ROWS):
                statistics.add(batch)
        return statistics.result()

    def _pictures(self, labels: LabelStatistics) -> dict[str, Thumbnail]:
        shown = dict.fromkeys(video.id for video in (*labels.least_sure, *labels.samples))
        # Rows hold URIs without their secrets: what can be opened is in the manifest alone.
        videos = {video.id: video for video in self._plan.videos if video.id in shown}
        return thumbnails_of(videos[name] for name in shown if name in videos)

    def _record(self, labels: LabelStatistics | None, drift: Drift | None) -> NightRecord:
        """The day with this run; without `labels`, they are what they were."""
        before = self._before
        if labels is None and before is not None:
            labels, drift = before.labels, before.drift
        return NightRecord(
            date=self._day,
            model=self._classifier.name,
            checkpoint=tuple(redacted(uri) for uri in self._options.checkpoint),
            fingerprint=self._plan.fingerprint,
            weights_warning=self._plan.weights_warning,
            configuration=without_secrets(self._options.flat()),
            versions=package_versions(),
            runs=(*(before.runs if before else ()), self._run),
            failures=tuple(self._failures[name] for name in sorted(self._failures)[:MAX_FAILURES]),
            labels=labels,
            drift=drift,
        )

    def _closed(self, night: NightRecord) -> NightRecord:
        """The same night; if its run was killed, that is written down now."""
        if night.status != "running":
            return night
        night = night.closed()
        earlier = self._records.before(night.date, NIGHTS_COMPARED)
        self._records.write_page(night.date, render_night_report(night, earlier, {}))
        self._records.write(night)
        return night


def _count(plan: Plan, settled: Settled) -> NightCounts:
    """What there is to extract."""
    increment = increment_of(plan.videos, settled, plan.options.failures.retry_failed)
    retried = sum(
        video.id not in increment.replaced
        and video.id in settled.failed
        and not is_replaced(settled.failed[video.id], video)
        for video in increment.pending
    )
    known = sum(video.id in settled.failed or video.id in increment.replaced for video in increment.pending)
    return NightCounts(new=len(increment.pending) - known, changed=known - retried, retried=retried)
