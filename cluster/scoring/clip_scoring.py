"""Scoring of videos: the engines of feature extraction, with a stage that labels.

queue ─► engine ─┬► labels, with timelines or without ─► portions of them, committed by the run
                 └► embeddings ─► a feature dataset

A video is scored if it lacks labels or an embedding, and only what it lacks is written. One that cannot be scored
becomes a failure of each dataset that lacks it.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing

import pyarrow as pa
from typing_extensions import override

from cluster.datasets.increment import increment_of
from cluster.engines.base import Engine
from cluster.engines.tasks import Done, Outcome, TaskQueue, failure_row
from cluster.runs.progress import Progress
from cluster.scoring.clip_embeddings import ClipEmbeddings
from cluster.scoring.clip_plan import ClipInputs, is_same_anywhere, make_clip_plan, read_clip_inputs
from cluster.scoring.clip_scorer import ClipScores
from cluster.scoring.config import ScoringSettings
from cluster.scoring.label_source import Backlog, LabelSource, RunStats
from cluster.scoring.label_writer import ClipLabels, ScoredPortion, VideoLabels
from cluster.scoring.timeline_assembler import TimelineAssembler
from schemas.failures import FailureRow
from schemas.records import Machine
from schemas.videos import Video

logger = logging.getLogger("framemill")


class ClipScoring(LabelSource):
    """Labels of videos, by a classifier of clips; `inputs` may have been read. Raises `InputError` for bad input."""

    def __init__(
        self, settings: ScoringSettings, engine: Engine | None = None, inputs: ClipInputs | None = None
    ) -> None:
        super().__init__()
        inputs = inputs or read_clip_inputs(settings)
        with self._stack:  # an engine of its own is closed where there is no plan
            self._engine = self._open(engine, settings)
            on_gpu = self._engine.on_gpus if inputs.runs_on_gpus else False
            if on_gpu is None and not is_same_anywhere(inputs):
                on_gpu = self._engine.started().on_gpus
            self.plan = self._plan = make_clip_plan(inputs, on_gpu=bool(on_gpu))
            self._stack = self._stack.pop_all()
        self._labels = ClipLabels(self._plan.writer, settings.rows_per_shard)
        self._timelines = TimelineAssembler(
            self._plan.run_id,
            num_classes=self._plan.classes.num_classes,
            top_k=settings.options.scores.top_k,
            labels_of=self._plan.writer.labels_of,
        )
        self._embeddings: ClipEmbeddings | None = None
        self._unlabelled: frozenset[str] = frozenset()
        self._pending: list[Video] = []
        self._queue = TaskQueue(())
        self._seconds: dict[str, float] = {}

    @override
    def machine(self) -> Machine:
        return self._engine.machine()

    @override
    def begin(self) -> Backlog:
        plan, options, videos = self._plan, self._plan.settings.options, self._plan.inputs.videos
        retry_failed = options.failures.retry_failed
        if plan.embeddings is not None:
            self._stack.enter_context(plan.embeddings.lease())
            self._embeddings = ClipEmbeddings(plan.embeddings, videos, retry_failed, plan.settings.rows_per_shard)
        settled = plan.dataset.settled(anywhere=options.only_new)
        increment = increment_of(videos, settled, retry_failed)
        self._unlabelled = frozenset(video.id for video in increment.pending)
        if self._unlabelled or (self._embeddings and self._embeddings.lacking):
            self._engine = self._engine.started()
        replaced = plan.dataset.withdraw(pa.chunked_array([sorted(self._unlabelled)], pa.string()))
        wanted = self._unlabelled | (self._embeddings.lacking if self._embeddings else frozenset())
        if self._embeddings is not None:
            logger.info(
                f"{len(self._embeddings.lacking)} of {len(videos)} videos lack embeddings in {options.clips.embeddings}"
            )
        self._pending = [video for video in videos if video.id in wanted]
        self._queue = TaskQueue(self._pending)
        return Backlog(len(self._unlabelled), increment.failed, replaced)

    @override
    def outcomes(self) -> Generator[ScoredPortion]:
        if not self._pending:
            return  # no workers are needed
        reporting = self._plan.settings.options.reporting
        style = Progress.style_for(quiet=reporting.quiet, log_format=reporting.log_format)
        with (
            Progress(len(self._pending), style=style) as progress,
            closing(self._engine.run(self._queue, self._plan.worker)) as outcomes,
        ):
            for outcome in outcomes:
                if isinstance(outcome, Done):
                    self._count(outcome.features.seconds_by_stage)
                    progress.add_frames(outcome.features.num_frames)
                settled = self._settled(outcome)
                if settled is None:
                    continue  # other segments of the video are still to come
                self._take(outcome, settled)
                progress.add_video(failed=isinstance(settled, FailureRow))
                if self._labels.is_full:
                    yield from self._portion()

    @override
    def rest(self) -> Generator[ScoredPortion]:
        if self._embeddings is not None:
            self._embeddings.commit()
        if not self._labels.is_empty:
            yield from self._portion()

    @override
    def stats(self) -> RunStats:
        return RunStats(
            embedded=self._embeddings.rows if self._embeddings else 0,
            retried=len(self._queue.retried),
            workers_lost=self._queue.workers_lost,
            nodes_lost=len(self._queue.nodes_lost),
            seconds_by_stage=dict(self._seconds),
        )

    def _portion(self) -> Iterator[ScoredPortion]:
        yield self._labels.portion()
        self._labels.clear()

    def _count(self, seconds_by_stage: Mapping[str, float]) -> None:
        for stage, seconds in seconds_by_stage.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def _settled(self, outcome: Outcome) -> VideoLabels | FailureRow | None:
        """The labels or the failure of the outcome's video, if it is settled with that."""
        if self._plan.inputs.timeline is not None:
            return self._timelines.add(outcome)
        if isinstance(outcome, Done):
            scores: ClipScores = outcome.features
            return VideoLabels(outcome.task.video, scores.places, scores.scores)
        return failure_row(outcome, self._plan.run_id)

    def _take(self, outcome: Outcome, settled: VideoLabels | FailureRow) -> None:
        """Add what has become of a video to the datasets that lack it."""
        video = outcome.task.video
        embeddings = self._embeddings if self._embeddings and video.id in self._embeddings.lacking else None
        if isinstance(settled, VideoLabels):
            if video.id in self._unlabelled:
                self._labels.add(settled)
            if embeddings and isinstance(outcome, Done):
                embeddings.add(video, outcome.features)
        else:
            if video.id in self._unlabelled:
                self._labels.add_failure(settled)
            if embeddings:
                embeddings.add_failure(settled)
