"""Scoring, from options to an exit code.

checkpoints, features or videos ─► plan ─ lease ─► what has no labels yet ─► engine ─► label shards
                                                                                       └► submission, record

A run always ends in a record, whatever ends it. One that is killed leaves the record of how far it had come, which the
next run closes; the videos of its label shards are not done again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from cluster.engines.base import Engine, EngineError
from cluster.runs.lifecycle import ExitCode, bad_input, exit_code, failed, guarded
from cluster.runs.provenance import command_line, package_versions, without_secrets
from cluster.scoring.clip_scoring import ClipScoring
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS, ScoringOptions, ScoringSettings
from cluster.scoring.feature_scoring import FeatureScoring
from cluster.scoring.label_source import Backlog, LabelSource
from cluster.scoring.label_writer import ScoredPortion
from cluster.scoring.submission import write_submission
from cluster.storage.redaction import redacted
from schemas.errors import InputError
from schemas.records import MAX_FAILURES, utc_text
from schemas.scorings import SCORE_BINS, ScoredModel, ScoringCounts, ScoringRecord, UnreadableFile

RECORD_EVERY_SECONDS = 60.0
LABEL_SOURCES: dict[str, Callable[[ScoringSettings, Engine | None], LabelSource]] = {
    OF_FEATURES: FeatureScoring,
    OF_VIDEOS: ClipScoring,
}

logger = logging.getLogger("framemill")


def run_scoring(options: ScoringOptions) -> ExitCode:
    """Score all videos that have no labels yet."""
    settings = options.settings()
    try:
        record = Scoring(settings)()
    except (InputError, ImportError) as error:
        return bad_input(error)
    counts = record.counts
    return exit_code(record, failed=counts.failed, processed=counts.processed, max_ratio=settings.max_failure_ratio)


class Scoring:
    """One scoring run, to be called once: by the job, or as a part of another job, which has an `engine` already."""

    def __init__(self, settings: ScoringSettings, engine: Engine | None = None) -> None:
        self._settings, self._engine = settings, engine

    def __call__(self) -> ScoringRecord:
        """Run to the end and return the record with its status.

        Raises `InputError` for bad input, before anything is touched; and where another run is writing, or nothing can
        be written.
        """
        with (
            closing(LABEL_SOURCES[self._settings.options.kind](self._settings, self._engine)) as way,
            way.plan.dataset.lease() as lease,
        ):
            way.plan.dataset.close_records(lease.predecessors, ScoringRecord)
            way.plan.dataset.prepare()
            return _Run(way, way.begin())()


@dataclass
class _Tally:
    """What is counted while a run goes on."""

    classes: int
    scored: int = 0
    failed: int = 0
    unlabelled: int = 0
    failures: list[UnreadableFile] = field(default_factory=list)
    failures_by_code: Counter[str] = field(default_factory=Counter)
    portions: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.first_labels = np.zeros(self.classes, np.int64)
        self.first_scores = np.zeros(SCORE_BINS, np.int64)

    def add(self, scored: ScoredPortion) -> None:
        """Count a portion, once: after an interruption it may come again."""
        if scored.number in self.portions:
            return
        self.portions.add(scored.number)
        self.scored += scored.videos
        self.unlabelled += scored.unlabelled
        self.first_labels += scored.first_labels
        self.first_scores += scored.first_scores
        failures = [
            *(UnreadableFile(uri=one.uri, videos=one.videos, message=redacted(one.message)) for one in scored.unread),
            *(UnreadableFile(uri=row.uri, videos=1, message=f"{row.code}: {row.message}") for row in scored.failures),
        ]
        self.failed += sum(failure.videos for failure in failures)
        self.failures_by_code.update(row.code for row in scored.failures)
        self.failures += [
            replace(failure, uri=redacted(failure.uri)) for failure in failures[: MAX_FAILURES - len(self.failures)]
        ]


class _Run:
    """Does what is left to do; the dataset's lease is held meanwhile."""

    def __init__(self, way: LabelSource, beginning: Backlog) -> None:
        self._way, self._plan, self._beginning = way, way.plan, beginning
        self._tally = _Tally(way.plan.classifier.config.num_classes)
        self._recorded_at = time.monotonic()

    def __call__(self) -> ScoringRecord:
        plan, left = self._plan, self._beginning.left
        settled = f", {self._beginning.settled} failed before" if self._beginning.settled else ""
        logger.info(
            f"run {plan.run_id}: {plan.videos} videos, {self._labelled_before} labelled before{settled}, {left} to do "
            f"with {plan.classifier.name}, into {plan.settings.options.labels}"
        )
        plan.dataset.write_options(plan.settings.options)
        plan.dataset.write_record(self._record("running"))
        status = self._work()
        record = self._record(status)
        try:
            plan.dataset.write_record(record)
        except InputError as error:
            record = replace(record, status=failed(error))
        counts = record.counts
        logger.info(
            f"{record.status}: {counts.scored} videos scored, {counts.failed} failed, {counts.already_labelled} "
            f"labelled before, in {record.wall_seconds:.1f} s"
        )
        for code, number in sorted(record.failures_by_code.items()):
            logger.info(f"  {number} × {code} (try them again with --retry-failed {code})")
        return record

    @property
    def _labelled_before(self) -> int:
        return self._plan.videos - self._beginning.left - self._beginning.settled

    def _work(self) -> str:
        """Score all that is left, and write the submission where one is wanted; returns the status."""
        status = self._guarded(lambda: self._take_all(self._way.outcomes()))
        # What was finished is kept, whatever ended the work.
        rest = self._guarded(lambda: self._take_all(self._way.rest()))
        if status == rest == "completed":
            return self._guarded(self._write_submission)
        return rest if status == "completed" else status

    def _guarded(self, part: Callable[[], None]) -> str:
        return guarded(part, EngineError, OSError, ValueError)

    def _write_submission(self) -> None:
        uri = self._plan.settings.options.submission
        if uri is not None:
            rows = write_submission(uri, self._plan.dataset.tables())
            logger.info(f"{uri}: {rows} videos")

    def _take_all(self, outcomes: Iterator[ScoredPortion]) -> None:
        with closing(outcomes):  # type: ignore[type-var]  # ways are generators
            for scored in outcomes:
                self._take(scored)

    def _take(self, scored: ScoredPortion) -> None:
        dataset = self._plan.dataset
        dataset.commit(scored.number, scored.shard, scored.ledger, scored.failures)
        for unread in scored.unread:
            logger.error(unread.message)
        self._tally.add(scored)
        now = time.monotonic()
        if now - self._recorded_at > RECORD_EVERY_SECONDS:
            self._recorded_at = now
            dataset.write_record(self._record("running"))

    def _record(self, status: str) -> ScoringRecord:
        plan, tally, course = self._plan, self._tally, self._way.course()
        settings, submission = plan.settings, plan.settings.options.submission
        classifier = plan.classifier
        names = classifier.config.class_names
        return ScoringRecord(
            run_id=plan.run_id,
            job="score_videos",
            status=status,
            started_at=utc_text(plan.started),
            finished_at=utc_text(datetime.now(UTC)),
            command=command_line(),
            configuration=without_secrets(settings.options.flat()),
            versions=package_versions(),
            date=settings.date,
            models=tuple(
                ScoredModel(
                    uri=redacted(uri),
                    model=config.model,
                    weights_sha256=config.weights_sha256,
                    temperature=config.temperature,
                )
                for uri, config in zip(settings.options.checkpoint, classifier.configs, strict=True)
            ),
            label_fingerprint=plan.manner,
            feature_fingerprint=dict(plan.fingerprint),
            machine=self._way.machine(),
            counts=ScoringCounts(
                videos_total=plan.videos,
                already_labelled=self._labelled_before,
                failed_before=self._beginning.settled,
                scored=tally.scored,
                failed=tally.failed,
                replaced=self._beginning.replaced,
                unlabelled=tally.unlabelled,
                shards=plan.dataset.shards,
                bytes_written=plan.dataset.bytes_written,
                embedded=course.embedded,
                retried=course.retried,
                workers_lost=course.workers_lost,
                nodes_lost=course.nodes_lost,
            ),
            first_labels={
                names[place]: int(tally.first_labels[place]) for place in np.flatnonzero(tally.first_labels).tolist()
            },
            first_scores=tuple(tally.first_scores.tolist()),
            failures=tuple(sorted(tally.failures, key=lambda failure: failure.uri)),
            failures_by_code=dict(tally.failures_by_code),
            seconds_by_stage=dict(course.seconds_by_stage),
            submission=None if submission is None else redacted(submission),
        )
