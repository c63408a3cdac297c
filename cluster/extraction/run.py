"""One run of feature extraction, from its first task to its record.

queue ─► engine ─► assembler ─► sink ─► shards, failures
                       └► run log ─► record (updated during the run), report

A run always ends in a record, whatever ends it. One that is killed leaves a record of its progress, which the next run
closes.
"""

from __future__ import annotations

import logging
from contextlib import closing, suppress

from cluster.datasets.shard_sink import Sink
from cluster.engines.base import Engine, EngineError
from cluster.engines.options import BEAM
from cluster.engines.tasks import Done, Outcome, TaskQueue
from cluster.extraction.assembler import Assembler
from cluster.extraction.backlog import Backlog
from cluster.extraction.plan import Plan
from cluster.extraction.run_log import RunLog
from cluster.reports.context import PageContext
from cluster.reports.extraction_report import render_run_report
from cluster.runs.lifecycle import failed, guarded, recorded, written
from cluster.runs.progress import Progress
from schemas.errors import InputError
from schemas.features import FeatureRow
from schemas.runs import RunRecord
from schemas.text import counted
from schemas.videos import content_of

PICTURES = 24

logger = logging.getLogger("framemill")


class ExtractionRun:
    """Extracts the `backlog` of `plan` with `engine`.

    relabelled  how many settled videos have got other labels or another split
    """

    def __init__(self, plan: Plan, backlog: Backlog, engine: Engine, *, relabelled: int) -> None:
        self._plan = plan
        self._engine = engine
        self._backlog = backlog
        first = backlog.first() if plan.has_pictures else []
        pictured = {first[len(first) * number // PICTURES].id for number in range(PICTURES) if first}
        is_beam = plan.options.engine.engine == BEAM  # whose pipeline gets them all at once
        self._queue = TaskQueue(backlog.waiting() if is_beam else backlog, thumbnails=pictured)
        self._assembler = Assembler(backlog.labels_of, plan.run_id, plan.worker.stage.sampling)
        self._sink = Sink(plan.dataset, plan.options.rows_per_shard, backlog.retried, backlog.retried)
        self._log = RunLog(plan.run_id)
        self._relabelled = relabelled

    def __call__(self) -> RunRecord:
        """Run to the end and return the record with its status. Raises `InputError` where nothing can be written."""
        plan, backlog = self._plan, self._backlog
        if plan.weights_warning:
            logger.warning(plan.weights_warning)
        work = f"{counted(backlog.videos, 'video')}, {self._settled_text}, {backlog.pending} to do"
        if not backlog.is_known:
            work = f"more than {work} so far"
        logger.info(f"run {plan.run_id}: {work}, into {plan.options.output}")
        if backlog.pending and backlog.earlier:
            logger.warning(
                f"{counted(backlog.earlier, 'video')} with features of an earlier release, which sampled cropped, "
                "mirrored, joined and raw files, and those with several tracks, otherwise: --redo-earlier extracts "
                "such videos again"
            )
        plan.dataset.write_options(plan.options)
        plan.dataset.write_record(self._record("running"))
        with recorded(self._abort), closing(self._assembler):
            status = self._work()
            try:
                self._sink.commit()
                if status == "completed":
                    self._relabelled += self._backlog.annotate_late()
            except InputError as error:
                status = failed(error)
            if status == "completed":
                self._index()
            return self._end(status)

    def _index(self) -> None:
        try:
            self._plan.dataset.index_ledger()
        except InputError as error:
            logger.warning(f"the next run takes longer to begin: the ledgers are not indexed: {error}")

    def _abort(self, status: str) -> None:
        """Keep what was finished, if that can be committed, and end."""
        with suppress(Exception):
            self._sink.commit()
        self._end(status)

    def _end(self, status: str) -> RunRecord:
        """Write the record and the report."""
        record = written(self._record(status), self._plan.dataset.write_record, self._write_page)
        self._log_end(record)
        return record

    def _write_page(self, record: RunRecord) -> None:
        self._plan.dataset.write_report(render_run_report(record, self._context(record)), self._plan.run_id)

    def _work(self) -> str:
        """Carry out all tasks; returns the status."""
        if self._backlog.is_empty:
            return "completed"  # no workers are needed
        reporting = self._plan.options.reporting
        style = Progress.style_for(quiet=reporting.quiet, log_format=reporting.log_format)
        total = self._backlog.pending if self._backlog.is_known else None
        with Progress(total, style=style) as progress:
            return guarded(lambda: self._take_all(progress), EngineError)

    def _take_all(self, progress: Progress) -> None:
        outcomes = self._engine.run(self._queue, self._plan.worker)
        with closing(outcomes):
            for outcome in outcomes:
                self._take(outcome, progress)

    def _take(self, outcome: Outcome, progress: Progress) -> None:
        if isinstance(outcome, Done):
            self._log.add_segment(outcome)
            progress.add_frames(outcome.features.num_frames)
        row, content = self._assembler.add(outcome), content_of(outcome.task.video)
        if row is None:
            return
        if isinstance(row, FeatureRow):
            row = self._sink.checked(row, content)
        if isinstance(row, FeatureRow):
            self._log.add_row(row, progress.seconds)
            self._sink.add_row(row, content)
        else:
            self._log.add_failure(row, progress.seconds)
            self._sink.add_failure(row)
            self._backlog.failures.add(row.id, row.code)
        progress.add_video(failed=not isinstance(row, FeatureRow))
        if self._plan.dataset.is_record_due():
            self._plan.dataset.write_record(self._record("running"))

    @property
    def _settled_text(self) -> str:
        return self._backlog.failures.among(self._backlog.settled)

    def _record(self, status: str) -> RunRecord:
        plan, backlog = self._plan, self._backlog
        return self._log.record(
            status=status,
            configuration=plan.options.flat(),
            fingerprint=plan.fingerprint,
            machine=self._engine.machine(),
            videos_total=backlog.videos,
            already_done=backlog.settled,
            failed_before=backlog.failures.earlier,
            relabelled=self._relabelled,
            earlier_release=backlog.earlier,
            retried=len(self._queue.retried),
            workers_lost=self._queue.workers_lost,
            nodes_lost=len(self._queue.nodes_lost),
            bytes_written=plan.dataset.bytes_written,
            shards=plan.dataset.shards,
            weights_warning=plan.weights_warning,
            unread=plan.inputs.unread,
        )

    def _context(self, record: RunRecord) -> PageContext:
        plan = self._plan
        shown = {video.id for video in record.slowest} | {picture.id for picture in record.contact_sheet}
        return PageContext(
            uri=plan.dataset.run_uri(".html"),
            pages=plan.related,
            videos={name: uri for name, uri in self._log.uris.items() if name in shown},
            unchanged=plan.options.unchanged(),
        )

    def _log_end(self, record: RunRecord) -> None:
        counts = record.counts
        logger.info(
            f"{record.status}: {counted(counts.extracted, 'video')} extracted, {counts.failed} failed, "
            f"{self._settled_text}, {counted(counts.frames, 'frame')} in {record.wall_seconds:.1f} s"
        )
        for line in self._backlog.failures.lines():
            logger.info(line)
        if unread := self._plan.inputs.unread:
            logger.warning(
                f"videos are missing: {len(unread)} of the folders, links and tars could not be read, or not to the end"
            )
        logger.info(f"report: {self._plan.dataset.run_uri('.html')}")
