"""One scoring run, from its first portion to its record.

label source ─► label shards, failures ─► submission, files of events
     └► tally ─► record (updated during the run)

Videos in committed label shards are not scored again, whatever ended the run (`cluster.runs.recorded_run`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from typing_extensions import override

from cluster.engines.base import EngineError
from cluster.runs.lifecycle import guarded
from cluster.runs.open_failures import OpenFailures
from cluster.runs.recorded_run import RecordedRun
from cluster.scoring.label_source import Backlog, LabelSource
from cluster.scoring.label_writer import ScoredPortion
from cluster.scoring.submission import write_submission
from cluster.storage.redaction import redacted, redacted_uri
from cluster.timelines.event_csv import write_events_csv
from cluster.timelines.webvtt import write_vtt
from schemas.errors import InputError
from schemas.records import MAX_FAILURES
from schemas.scorings import SCORE_BINS, ScoredModel, ScoringCounts, ScoringRecord, UnreadableFile
from schemas.text import counted
from schemas.timelines import EVENTS_SCHEMA

logger = logging.getLogger("framemill")


@dataclass
class _Tally:
    """Everything that is counted during a run."""

    classes: int
    open_failures: OpenFailures
    scored: int = 0
    failed: int = 0
    unlabelled: int = 0
    steps: int = 0
    events: int = 0
    failures: list[UnreadableFile] = field(default_factory=list)
    failures_by_code: Counter[str] = field(default_factory=Counter)
    portions: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.first_labels = np.zeros(self.classes, np.int64)
        self.first_scores = np.zeros(SCORE_BINS, np.int64)

    def add(self, scored: ScoredPortion) -> None:
        """Count a portion, unless it has been counted: an interrupted one may come again."""
        if scored.number in self.portions:
            return
        self.portions.add(scored.number)
        self.scored += scored.videos
        self.unlabelled += scored.unlabelled
        self.steps += scored.steps
        self.events += scored.events
        self.first_labels += scored.first_labels
        self.first_scores += scored.first_scores
        failures = [
            *(UnreadableFile(uri=one.uri, videos=one.videos, message=redacted(one.message)) for one in scored.unread),
            *(UnreadableFile(uri=row.uri, videos=1, message=f"{row.code}: {row.message}") for row in scored.failures),
        ]
        self.failed += sum(failure.videos for failure in failures)
        self.failures_by_code.update(row.code for row in scored.failures)
        for row in scored.failures:
            self.open_failures.add(row.id, row.code)
        self.failures += [
            replace(failure, uri=redacted_uri(failure.uri)) for failure in failures[: MAX_FAILURES - len(self.failures)]
        ]


class ScoringRun(RecordedRun[ScoringRecord]):
    """Scores the `backlog` of `source`; the caller holds the lease of the dataset."""

    def __init__(self, source: LabelSource, backlog: Backlog) -> None:
        plan = source.plan
        super().__init__(plan.dataset, plan.settings.options, plan.started, OpenFailures(backlog.failed))
        self._source, self._plan, self._backlog = source, plan, backlog
        self._settled_text = self._failures.among(plan.videos - backlog.left)
        self._tally = _Tally(plan.classes.num_classes, self._failures)

    @override
    def _opening(self) -> str:
        plan = self._plan
        return (
            f"{counted(plan.videos, 'video')}, {self._settled_text}, {self._backlog.left} to do with "
            f"{plan.classifier.name}, into {plan.settings.options.labels}"
        )

    @override
    def _closing(self, record: ScoringRecord) -> str:
        return f"{counted(record.counts.scored, 'video')} scored, {record.counts.failed} failed, {self._settled_text}"

    @property
    def _labelled_before(self) -> int:
        return self._plan.videos - self._backlog.left - len(self._backlog.failed)

    @override
    def _work(self) -> str:
        status = self._guarded(lambda: self._take_all(self._source.outcomes()))
        # Finished portions are kept, whatever ended the work.
        rest = self._guarded(lambda: self._take_all(self._source.rest()))
        if status == rest == "completed":
            return self._guarded(self._write_files)
        return rest if status == "completed" else status

    def _guarded(self, part: Callable[[], None]) -> str:
        return guarded(part, EngineError, OSError, ValueError)

    def _write_files(self) -> None:
        options, dataset = self._plan.settings.options, self._plan.dataset
        timelines = options.timelines
        if options.submission is not None:
            logger.info(
                f"{options.submission}: {counted(write_submission(options.submission, dataset.tables()), 'video')}"
            )
        if timelines.vtt is not None:
            logger.info(f"{timelines.vtt}: {counted(write_vtt(timelines.vtt, dataset.tables(EVENTS_SCHEMA)), 'video')}")
        if timelines.events_csv is not None:
            events = write_events_csv(timelines.events_csv, dataset.tables(EVENTS_SCHEMA))
            logger.info(f"{timelines.events_csv}: {counted(events, 'event')}")

    def _take_all(self, outcomes: Generator[ScoredPortion]) -> None:
        with closing(outcomes):
            for scored in outcomes:
                self._take(scored)

    def _take(self, scored: ScoredPortion) -> None:
        dataset = self._plan.dataset
        dataset.commit(scored.number, scored.shard, scored.ledger, scored.failures)
        for unread in scored.unread:
            logger.error(InputError(unread.message))
        self._tally.add(scored)
        self._update()

    @override
    def _record(self, status: str) -> ScoringRecord:
        plan, tally, stats = self._plan, self._tally, self._source.stats()
        settings, options = plan.settings, plan.settings.options
        classifier = plan.classifier
        names = plan.classes.class_names
        return ScoringRecord(
            **self._header(status),
            job="score_videos",
            date=settings.date,
            models=tuple(
                ScoredModel(
                    uri=redacted_uri(uri),
                    model=config.model,
                    weights_sha256=config.weights_sha256,
                    temperature=config.temperature,
                )
                for uri, config in zip(options.checkpoint, classifier.configs, strict=True)
            ),
            label_fingerprint=plan.label_fingerprint,
            feature_fingerprint=dict(plan.fingerprint),
            machine=self._source.machine(),
            counts=ScoringCounts(
                videos_total=plan.videos,
                already_labelled=self._labelled_before,
                failed_before=len(self._backlog.failed),
                scored=tally.scored,
                failed=tally.failed,
                replaced=self._backlog.replaced,
                unlabelled=tally.unlabelled,
                steps=tally.steps,
                events=tally.events,
                shards=plan.dataset.shards,
                bytes_written=plan.dataset.bytes_written,
                embedded=stats.embedded,
                retried=stats.retried,
                workers_lost=stats.workers_lost,
                nodes_lost=stats.nodes_lost,
            ),
            first_labels={
                names[place]: int(tally.first_labels[place]) for place in np.flatnonzero(tally.first_labels).tolist()
            },
            first_scores=tuple(tally.first_scores.tolist()),
            failures=tuple(sorted(tally.failures, key=lambda failure: failure.uri)),
            failures_by_code=dict(tally.failures_by_code),
            seconds_by_stage=dict(stats.seconds_by_stage),
            submission=_redacted(options.submission),
            vtt=_redacted(options.timelines.vtt),
            events_csv=_redacted(options.timelines.events_csv),
        )


def _redacted(uri: str | None) -> str | None:
    return None if uri is None else redacted_uri(uri)
