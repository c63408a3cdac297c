"""One transcription run, from its first video to its record.

queue ─► engine ─► transcripts ─► shards, failures ─► subtitles
             └► tally, samples ─► record (updated during the run), report

Videos in committed shards are not read again, whatever ended the run (`cluster.runs.recorded_run`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa
from typing_extensions import override

from cluster.datasets.increment import Increment
from cluster.engines.base import Engine, EngineError
from cluster.engines.tasks import Done, Failed, Outcome, TaskQueue, failure_row
from cluster.reports.context import PageContext
from cluster.reports.transcription_report import TranscriptSample, render_transcription_report
from cluster.runs.lifecycle import guarded, internal_error
from cluster.runs.open_failures import OpenFailures
from cluster.runs.progress import Progress
from cluster.runs.recorded_run import RecordedRun
from cluster.storage.parquet import encode_table
from cluster.storage.redaction import redacted_uri
from cluster.transcription.plan import TranscriptionPlan
from cluster.transcription.subtitles import FORMS, write_transcripts
from cluster.transcription.transcriber import Transcript
from schemas.failures import FailureRow
from schemas.labels import LABEL_LEDGER_SCHEMA
from schemas.outcomes import FailureCode, Stage
from schemas.records import MAX_FAILURES
from schemas.runs import FailureNote
from schemas.text import counted
from schemas.transcriptions import TranscriptionCounts, TranscriptionRecord
from schemas.transcripts import TranscriptRow, transcript_table
from schemas.videos import Video, content_of

logger = logging.getLogger("framemill")


@dataclass
class _Tally:
    """Everything that is counted during a run."""

    transcribed: int = 0
    silent: int = 0
    partial: int = 0
    words: int = 0
    frames: int = 0
    failed: int = 0
    failures: list[FailureNote] = field(default_factory=list)
    failures_by_code: Counter[str] = field(default_factory=Counter)
    seconds_by_stage: Counter[str] = field(default_factory=Counter)


@dataclass
class _Batch:
    """Rows, each with its video's content, and failures of the run's next commit."""

    number: int = 0
    rows: list[tuple[TranscriptRow, str]] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)


class TranscriptionRun(RecordedRun[TranscriptionRecord]):
    """Transcribes `increment` of `plan` with `engine`; the caller holds the lease of the dataset."""

    def __init__(self, plan: TranscriptionPlan, increment: Increment, engine: Engine, *, replaced: int) -> None:
        super().__init__(plan.dataset, plan.options, plan.started, OpenFailures(increment.failed))
        self._plan, self._engine = plan, engine
        self._pending = increment.pending
        previews = min(plan.options.reporting.previews, len(self._pending))
        shown = {self._pending[len(self._pending) * number // previews].id for number in range(previews)}
        self._queue = TaskQueue(self._pending, thumbnails=shown)
        self._samples: list[TranscriptSample] = []
        self._settled_text = self._failures.among(len(plan.videos) - len(self._pending))
        self._replaced = replaced
        self._tally, self._batch = _Tally(), _Batch()

    @override
    def _opening(self) -> str:
        plan = self._plan
        return (
            f"{counted(len(plan.videos), 'video')}, {self._settled_text}, {len(self._pending)} to do with "
            f"{plan.model}, into {plan.options.output}"
        )

    @override
    def _closing(self, record: TranscriptionRecord) -> str:
        counts = record.counts
        return (
            f"{counted(counts.transcribed, 'video')} transcribed, {counted(counts.words, 'word')}, "
            f"{counts.failed} failed, {self._settled_text}"
        )

    @override
    def _notes(self, record: TranscriptionRecord) -> list[str]:
        return [f"report: {self._plan.dataset.run_uri('.html')}"]

    @override
    def _work(self) -> str:
        status = guarded(self._transcribe, EngineError, OSError, ValueError)
        # Finished transcripts are kept, whatever ended the work.
        rest = guarded(self._keep, OSError, ValueError)
        status = rest if status == "completed" else status
        return guarded(self._write_subtitles, OSError, ValueError) if status == "completed" else status

    @override
    def _keep(self) -> None:
        self._commit()

    def _transcribe(self) -> None:
        """Carry out all tasks."""
        if not self._pending:
            return  # no workers are needed
        plan, reporting = self._plan, self._plan.options.reporting
        style = Progress.style_for(quiet=reporting.quiet, log_format=reporting.log_format)
        with (
            Progress(len(self._pending), style=style) as progress,
            closing(self._engine.run(self._queue, plan.worker)) as outcomes,
        ):
            for outcome in outcomes:
                row = self._settled(outcome)
                is_failure = isinstance(row, FailureRow)
                if isinstance(outcome, Done):
                    progress.add_frames(outcome.features.num_frames)
                progress.add_video(failed=is_failure)
                rows = max(len(self._batch.rows), len(self._batch.failures))
                if rows >= plan.options.rows_per_shard:
                    self._commit()
                self._update()

    def _settled(self, outcome: Outcome) -> TranscriptRow | FailureRow:
        """What has become of a video, for the next commit."""
        video = outcome.task.video
        row = self._row(outcome) if isinstance(outcome, Done) else failure_row(outcome, self._plan.run_id)
        if isinstance(row, TranscriptRow):
            self._batch.rows.append((row, content_of(video)))
            self._count(video, outcome.features, row)  # type: ignore[union-attr]  # as of `Done`
        else:
            self._batch.failures.append(row)
            self._count_failure(row)
        return row

    def _row(self, outcome: Done[Transcript]) -> TranscriptRow | FailureRow:
        """The row of a video, or the failure of one whose row cannot be stored: it must not cost the others."""
        plan, transcript = self._plan, outcome.features
        try:
            row = TranscriptRow(
                id=outcome.task.video.id,
                text=transcript.text,
                score=transcript.score,
                words=transcript.words,
                coverage=transcript.coverage,
                model=plan.model,
                run_id=plan.run_id,
            )
            transcript_table([row], {})
        except Exception:
            error = Failed(outcome.task, FailureCode.INTERNAL, internal_error(), Stage.WRITE)
            return failure_row(error, plan.run_id)
        return row

    def _count(self, video: Video, transcript: Transcript, row: TranscriptRow) -> None:
        tally = self._tally
        if transcript.preview is not None:
            self._samples.append(
                TranscriptSample(
                    id=video.id,
                    uri=redacted_uri(video.uri),
                    text=video.text,
                    read=row.text,
                    score=row.score,
                    preview=transcript.preview,
                )
            )
        tally.transcribed += 1
        tally.silent += not row.words
        tally.partial += row.coverage < 1
        tally.words += len(row.words)
        tally.frames += transcript.num_frames
        tally.seconds_by_stage.update(transcript.seconds_by_stage)

    def _count_failure(self, row: FailureRow) -> None:
        tally = self._tally
        tally.failed += 1
        tally.failures_by_code[row.code] += 1
        self._failures.add(row.id, row.code)
        if len(tally.failures) < MAX_FAILURES:
            tally.failures.append(FailureNote.of(row))

    def _commit(self) -> None:
        """Make everything since the last commit part of the dataset."""
        batch, dataset = self._batch, self._plan.dataset
        if batch.rows or batch.failures:
            shard = encode_table(transcript_table([row for row, _ in batch.rows], dataset.metadata))
            ledger = encode_table(self._ledger(batch.rows))
            has_rows = bool(batch.rows)
            dataset.commit(batch.number, shard if has_rows else None, ledger if has_rows else None, batch.failures)
        self._batch = _Batch(batch.number + 1)  # one assignment, so that no signal can interrupt it

    def _ledger(self, rows: Sequence[tuple[TranscriptRow, str]]) -> pa.Table:
        values = [{"id": row.id, "content": content} for row, content in sorted(rows, key=lambda pair: pair[0].id)]
        return pa.Table.from_pylist(values, LABEL_LEDGER_SCHEMA.with_metadata(self._plan.dataset.metadata))

    def _write_subtitles(self) -> None:
        plan = self._plan
        for form in FORMS:
            folder = getattr(plan.options, form)
            if folder is not None:
                count = write_transcripts(folder, form, plan.dataset.spoken(), plan.between)
                logger.info(f"{folder}: {counted(count, 'video')}")

    @override
    def _write_page(self, record: TranscriptionRecord) -> None:
        plan = self._plan
        context = PageContext(uri=plan.dataset.run_uri(".html"), unchanged=plan.options.unchanged())
        samples = sorted(self._samples, key=lambda sample: sample.id)
        plan.dataset.write_report(render_transcription_report(record, samples, context), plan.run_id)

    @override
    def _record(self, status: str) -> TranscriptionRecord:
        plan, options, tally = self._plan, self._plan.options, self._tally
        before = len(plan.videos) - len(self._pending) - self._failures.earlier
        return TranscriptionRecord(
            **self._header(status),
            job="transcribe_lips",
            machine=self._engine.machine(),
            checkpoint=redacted_uri(options.checkpoint),
            model=plan.model,
            fingerprint=dict(plan.fingerprint),
            counts=TranscriptionCounts(
                videos_total=len(plan.videos),
                already_done=before,
                failed_before=self._failures.earlier,
                transcribed=tally.transcribed,
                failed=tally.failed,
                silent=tally.silent,
                partial=tally.partial,
                replaced=self._replaced,
                words=tally.words,
                frames=tally.frames,
                shards=plan.dataset.shards,
                bytes_written=plan.dataset.bytes_written,
                retried=len(self._queue.retried),
                workers_lost=self._queue.workers_lost,
                nodes_lost=len(self._queue.nodes_lost),
            ),
            failures=tuple(sorted(tally.failures, key=lambda failure: failure.id)),
            failures_by_code=dict(tally.failures_by_code),
            seconds_by_stage=dict(tally.seconds_by_stage),
            srt=None if options.srt is None else redacted_uri(options.srt),
            vtt=None if options.vtt is None else redacted_uri(options.vtt),
        )
