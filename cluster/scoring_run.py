"""Scoring, from options to an exit code.

checkpoints, features ─► plan ─ lease ─► what has no labels yet ─► engine ─► label shards ─► submission, record

A run always ends in a record, whatever ends it. One that is killed leaves the record of how far it had come, which the
next run closes; the videos of its label shards are not done again.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from cluster.engines import EngineError
from cluster.label_dataset import LabelDataset, LabelDatasetError
from cluster.redaction import redacted
from cluster.run_log import package_versions, without_secrets
from cluster.scorer import Portion, ScoredPortion
from cluster.scoring_config import ScoringConfig
from cluster.scoring_engines import ScoringEngine, make_scoring_engine
from cluster.scoring_plan import ScoringPlan, ScoringPlanError, make_scoring_plan
from cluster.storage import StorageError, read_bytes
from cluster.submission import write_submission
from cluster.termination import terminable
from schemas.runs import utc_text
from schemas.scorings import (
    MAX_FAILURES,
    SCORE_BINS,
    ScoredModel,
    ScoringCounts,
    ScoringRecord,
    UnreadableFile,
)

DONE, FAILED, BAD_INPUT, TOO_MANY_FAILURES, INTERRUPTED = 0, 1, 2, 3, 130
PACKAGES = ("framemill", "torch", "ray", "pyarrow", "numpy", "fsspec")
RECORD_EVERY_SECONDS = 60.0
LINE_EVERY_SECONDS = 15.0

logger = logging.getLogger("framemill")


def run_scoring(config: ScoringConfig) -> int:
    """Score all that has no labels yet. Returns the exit code.

    0 (done), 1 (the engine gave up, or the output takes no more), 2 (bad input, or another run is writing: nothing was
    touched), 3 (too many videos in files that are damaged), 130 (interrupted).
    """
    try:
        record = Scoring(config)()
    except ScoringPlanError as error:
        for problem in error.problems:
            logger.error(problem)
        return BAD_INPUT
    except (LabelDatasetError, StorageError, ImportError) as error:
        logger.error(error)
        return BAD_INPUT
    if record.status != "completed":
        return INTERRUPTED if record.status == "interrupted" else FAILED
    counts = record.counts
    is_too_many = counts.failed and counts.failed / counts.processed > config.max_failure_ratio
    return TOO_MANY_FAILURES if is_too_many else DONE


class Scoring:
    """One scoring run, to be called once: by the job, or by what scores as a part of its own work."""

    def __init__(self, config: ScoringConfig) -> None:
        self._config = config

    def __call__(self) -> ScoringRecord:
        """Run to the end; the record says which end it was.

        Raises:
            ScoringPlanError: for bad input, before anything is touched; all problems at once.
            LabelDatasetError: where another run is writing, or nothing can be written.
        """
        plan = make_scoring_plan(self._config)
        with (
            closing(make_scoring_engine(plan.config.engine, plan.config.engine_config())) as engine,
            plan.dataset.lease() as lease,
        ):
            for run_id in lease.predecessors:
                close_record_of(run_id, plan.dataset)
            plan.dataset.prepare()
            labelled = plan.dataset.labelled(on_any_day=plan.config.only_new)
            portions = plan.portions(labelled)
            replaced = plan.dataset.withdraw(_ids_of(portions))
            return _Run(plan, engine, portions, replaced)()


@dataclass
class _Tally:
    """What is counted while a run goes on."""

    classes: int
    scored: int = 0
    failed: int = 0
    unlabelled: int = 0
    failures: list[UnreadableFile] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first_labels = np.zeros(self.classes, np.int64)
        self.first_scores = np.zeros(SCORE_BINS, np.int64)

    def add(self, scored: ScoredPortion) -> None:
        """Count a portion."""
        self.scored += scored.videos
        self.unlabelled += scored.unlabelled
        self.first_labels += scored.first_labels
        self.first_scores += scored.first_scores
        for unread in scored.unread:
            self.failed += unread.videos
            if len(self.failures) < MAX_FAILURES:
                message = redacted(unread.message)
                self.failures.append(UnreadableFile(uri=redacted(unread.uri), videos=unread.videos, message=message))


class _Run:
    """Does what is left to do; the dataset's lease is held meanwhile."""

    def __init__(self, plan: ScoringPlan, engine: ScoringEngine, portions: list[Portion], replaced: int) -> None:
        self._plan, self._engine, self._portions, self._replaced = plan, engine, portions, replaced
        self._tally = _Tally(plan.scorer.classifier.config.num_classes)
        self._left = sum(portion.videos for portion in portions)
        self._started = self._recorded_at = self._told_at = time.monotonic()

    def __call__(self) -> ScoringRecord:
        plan = self._plan
        logger.info(
            f"run {plan.run_id}: {plan.videos} videos, {plan.videos - self._left} labelled before, {self._left} to do "
            f"with {plan.scorer.classifier.name}, into {plan.config.labels}"
        )
        plan.dataset.write_run(self._record("running").to_json())
        status = self._work()
        record = self._record(status)
        try:
            plan.dataset.write_run(record.to_json())
        except LabelDatasetError as error:
            record = replace(record, status=_failed(error))
        counts = record.counts
        logger.info(
            f"{record.status}: {counts.scored} videos scored, {counts.failed} failed, {counts.already_labelled} "
            f"labelled before, in {record.wall_seconds:.1f} s"
        )
        return record

    def _work(self) -> str:
        """Score all portions, and write the submission where one is wanted; returns the status."""
        config = self._plan.config
        try:
            with terminable():
                if self._portions:  # else there is no need for workers
                    with closing(self._engine.run(self._portions, self._plan.scorer)) as outcomes:  # type: ignore[type-var]
                        for scored in outcomes:
                            self._take(scored)
                if config.submission is not None:
                    rows = write_submission(config.submission, self._plan.dataset.tables())
                    logger.info(f"{config.submission}: {rows} videos")
        except KeyboardInterrupt:
            return "interrupted"
        except (EngineError, LabelDatasetError, StorageError, OSError, ValueError) as error:
            return _failed(error)
        return "completed"

    def _take(self, scored: ScoredPortion) -> None:
        dataset = self._plan.dataset
        if scored.shard is not None and scored.ledger is not None:
            dataset.commit(scored.number, scored.shard, scored.ledger)
        for unread in scored.unread:
            logger.error(unread.message)
        self._tally.add(scored)
        now = time.monotonic()
        if now - self._told_at > LINE_EVERY_SECONDS:
            self._told_at = now
            done = self._tally.scored + self._tally.failed
            logger.info(f"{done}/{self._left} videos, {done / (now - self._started):.0f} videos/s")
        if now - self._recorded_at > RECORD_EVERY_SECONDS:
            self._recorded_at = now
            dataset.write_run(self._record("running").to_json())

    def _record(self, status: str) -> ScoringRecord:
        plan, tally = self._plan, self._tally
        classifier = plan.scorer.classifier
        names = classifier.config.class_names
        assert plan.config.date is not None
        return ScoringRecord(
            run_id=plan.run_id,
            job="score_videos",
            status=status,
            started_at=utc_text(plan.started),
            finished_at=utc_text(datetime.now(UTC)),
            command=tuple(redacted(word) for word in sys.argv),
            configuration=without_secrets(asdict(plan.config)),
            versions=package_versions(PACKAGES),
            date=plan.config.date,
            models=tuple(
                ScoredModel(
                    uri=redacted(uri),
                    model=config.model,
                    weights_sha256=config.weights_sha256,
                    temperature=config.temperature,
                )
                for uri, config in zip(plan.config.checkpoint, classifier.configs, strict=True)
            ),
            manner=plan.manner,
            feature_fingerprint=dict(plan.features.fingerprint),
            machine=self._engine.machine(),
            counts=ScoringCounts(
                videos_total=plan.videos,
                already_labelled=plan.videos - self._left,
                scored=tally.scored,
                failed=tally.failed,
                replaced=self._replaced,
                unlabelled=tally.unlabelled,
                shards=plan.dataset.shards,
                bytes_written=plan.dataset.bytes_written,
            ),
            first_labels={
                names[place]: int(tally.first_labels[place]) for place in np.flatnonzero(tally.first_labels).tolist()
            },
            first_scores=tuple(tally.first_scores.tolist()),
            failures=tuple(sorted(tally.failures, key=lambda failure: failure.uri)),
            submission=None if plan.config.submission is None else redacted(plan.config.submission),
        )


def close_record_of(run_id: str, dataset: LabelDataset) -> None:
    """Say in the record of a run that was killed that it has died."""
    try:
        record = ScoringRecord.from_json(read_bytes(dataset.run_uri(run_id)).decode())
    except (FileNotFoundError, ValueError):
        return  # it died before its first record, or was made by another release
    if record.status == "running":
        dataset.write_run(replace(record, status="died").to_json(), run_id)


def _ids_of(portions: list[Portion]) -> pa.ChunkedArray:
    return pa.chunked_array([piece.ids for portion in portions for piece in portion.pieces], pa.string())


def _failed(error: Exception) -> str:
    logger.error(error)
    return "failed"
