"""One run of a night, from the work that is left to the day's record and page.

extraction of new videos ─► scoring of videos without labels ─► statistics, drift, pictures ─► record, page

A run always ends in a record, whatever ends it (`cluster.nightly.day_record`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace

from classifiers.inference.feature_classifier import TrainedClassifier
from cluster.clips.thumbnails import thumbnails_of
from cluster.datasets.increment import FailedBefore, Increment, Settled, is_replaced
from cluster.engines.base import Engine
from cluster.extraction.job import extract, start
from cluster.extraction.plan import Plan
from cluster.nightly.config import NightlySettings
from cluster.nightly.day_record import DayRecord
from cluster.nightly.records import NightRecords
from cluster.nightly.related_pages import night_title, training_pages
from cluster.nightly.statistics import BATCH_ROWS, NightStatistics
from cluster.reports.links import PageLink
from cluster.runs.lifecycle import ExitCode, code_of, failed
from cluster.runs.open_failures import OpenFailures
from cluster.scoring.feature_plan import FeaturePlan, make_feature_plan
from cluster.scoring.job import score_videos
from cluster.storage.lease import Lease, is_open
from cluster.storage.redaction import redacted, redacted_uri
from schemas.errors import InputError
from schemas.label_statistics import LabelStatistics
from schemas.nights import NightCounts
from schemas.runs import RunRecord
from schemas.videos import Video

BROKEN = (InputError, OSError)  # what may go wrong with files and stores

logger = logging.getLogger("framemill")


class Night:
    """One nightly run, which holds `lease`."""

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
        self._settings, self._options = settings, settings.options
        self._classifier, self._engine, self._lease = classifier, engine, lease
        page = PageLink(night_title(settings.date), records.page_uri(settings.date))
        self._plan = replace(plan, related=(page, *training_pages(settings.options)))
        self._failed_before: Collection[str] = ()
        self._day = DayRecord(
            records,
            settings.date,
            options=settings.options,
            model=classifier.name,
            fingerprint=plan.fingerprint,
            weights_warning=plan.weights_warning,
            run_id=run_id,
            machine=engine.machine(),
        )

    def __call__(self) -> ExitCode:
        """Do everything that is left. Raises `InputError` or `OSError` for problems before anything is touched."""
        try:
            return self._work()
        except KeyboardInterrupt:
            self._give_up("interrupted", "")
            return ExitCode.INTERRUPTED
        except BROKEN as error:
            if not self._day.has_begun:
                raise
            self._give_up(failed(error), redacted(str(error)))
            return ExitCode.FAILED
        except Exception:
            self._give_up("failed", "an error in this program; the log says more")
            raise

    def _give_up(self, status: str, problem: str) -> None:
        if self._day.has_begun:
            with suppress(*BROKEN):  # the record's own store may be the broken one
                self._end(status, problem)

    def _work(self) -> ExitCode:
        dataset, videos = self._plan.dataset, self._plan.videos
        settled = dataset.settled()
        self._failed_before = settled.failed.keys()
        increment = self._increment(settled)
        counts = pending_counts(increment, settled)
        is_extracting = bool(increment.pending) or is_open(dataset.lease_uri()) or bool(dataset.outdated(videos))
        if not is_extracting:
            _log_settled(increment, len(videos))
        if self._day.is_complete and not is_extracting and not self._is_unscored(self._feature_plan()):
            logger.info(f"nothing is new, and {self._settings.date} has its record: {self._day.page_uri}")
            problem = self._too_many_failures(settled.failed)
            if problem:
                logger.error(InputError(problem))
            return code_of("completed", is_too_many=bool(problem))
        if not is_extracting:
            self._day.begin(counts)
        else:
            if increment.pending:
                start(self._plan, self._engine)
            with dataset.lease() as lease:
                self._day.begin(counts, self._plan.run_id)
                extraction = extract(self._plan, self._engine, lease)
            self._day.count_committed(lambda run_id: dataset.record_of(run_id, RunRecord))
            self._day.add_extraction(extraction)
            if extraction.status != "completed":
                return self._end(extraction.status, f"extraction: {extraction.status}; its report says more")
        feature_plan = self._feature_plan()
        if feature_plan is not None and self._is_unscored(feature_plan):
            scoring = score_videos(self._settings.scoring, self._engine)
            self._day.add_scoring(scoring)
            if scoring.status != "completed":
                return self._end(scoring.status, f"scoring: {scoring.status}; the log says more")
        return self._end("completed", self._too_many_failures(dataset.failed()), feature_plan)

    def _increment(self, settled: Settled) -> Increment:
        return self._plan.increment(settled)

    def _feature_plan(self) -> FeaturePlan | None:
        """The features and their labels; None where there are no features yet."""
        return None if self._plan.dataset.is_empty() else make_feature_plan(self._settings.scoring)

    def _is_unscored(self, plan: FeaturePlan | None) -> bool:
        """Whether there is anything to score, or to clear after a scoring run that died."""
        if plan is None:
            return False
        return is_open(plan.dataset.lease_uri()) or bool(plan.portions(plan.dataset.labelled(on_any_day=True)))

    def _too_many_failures(self, failures: Mapping[str, FailedBefore]) -> str:
        """The problem of a day with too many failures that are still open; empty where they are few enough."""
        counts, limit, runs = self._day.counts, self._options.failures.max_failure_ratio, self._day.extraction_runs
        still_failed = sum(video.id in failures and failures[video.id].run_id in runs for video in self._plan.videos)
        tried = {"extraction": (still_failed, self._day.extracted), "scoring": (counts.unread, counts.labelled)}
        return "; ".join(
            f"too many failures: {part} of {failed} out of {failed + done} videos (--max-failure-ratio {limit:g})"
            for part, (failed, done) in tried.items()
            if failed and failed / (failed + done) > limit
        )

    def _end(self, status: str, problem: str, plan: FeaturePlan | None = None) -> ExitCode:
        """Write the record and the page, with new statistics where there is a `plan`."""
        labels = None if plan is None else self._statistics(plan)
        left = NightCounts() if status == "completed" else self._left()
        self._lease.confirm()
        self._day.end(status, problem, left)
        videos = [] if labels is None else self._videos_shown(labels)
        pictures = {} if self._options.report.without_pictures else thumbnails_of(videos, self._plan.options.policy)
        self._day.write(labels, pictures, {video.id: redacted_uri(video.uri) for video in videos}, self._mended())
        return code_of(status, is_too_many=bool(problem))

    def _left(self) -> NightCounts:
        """Videos of this run that are not settled; all of them where the dataset cannot be read."""
        try:
            settled = self._plan.dataset.settled()
            return pending_counts(self._increment(settled), settled)
        except BROKEN:
            return self._day.counts

    def _statistics(self, plan: FeaturePlan) -> LabelStatistics:
        config = self._classifier.config
        statistics = NightStatistics(config.class_indices, config.class_names, self._options.report.sure_from)
        for table in plan.dataset.tables():
            for batch in table.to_batches(BATCH_ROWS):
                statistics.add(batch)
        return statistics.result()

    def _videos_shown(self, labels: LabelStatistics) -> list[Video]:
        """Rows hold URIs without their secrets; only the manifest has URIs that can be opened."""
        shown = dict.fromkeys(video.id for video in (*labels.least_sure, *labels.samples))
        videos = {video.id: video for video in self._plan.videos if video.id in shown}
        return [videos[name] for name in shown if name in videos]

    def _mended(self) -> Collection[str]:
        """Ids that failed before this run, or in a run of the day, and no longer do."""
        try:
            return {*self._failed_before, *self._day.failed} - self._plan.dataset.failed().keys()
        except BROKEN:
            return ()


def _log_settled(increment: Increment, videos: int) -> None:
    failures = OpenFailures(increment.failed)
    logger.info(f"{videos} videos, {failures.among(videos)}, 0 to do")
    for line in failures.lines():
        logger.info(line)


def pending_counts(increment: Increment, settled: Settled) -> NightCounts:
    """The videos that are left to extract, by the reason."""
    retried = sum(
        video.id not in increment.replaced
        and video.id in settled.failed
        and not is_replaced(settled.failed[video.id], video)
        for video in increment.pending
    )
    known = sum(video.id in settled.failed or video.id in increment.replaced for video in increment.pending)
    return NightCounts(new=len(increment.pending) - known, changed=known - retried, retried=retried)
