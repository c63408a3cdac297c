"""Transcription, from options to an exit code.

checkpoint, manifest ─► plan ─ lease ─► increment (videos without a transcript) ─► run ─► record, subtitles
"""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa

from cluster.datasets.increment import increment_of
from cluster.engines.base import Engine
from cluster.engines.deferred import DeferredEngine
from cluster.reports.transcription_report import render_transcription_report
from cluster.runs.lifecycle import ExitCode, bad_input, exit_code
from cluster.storage import files
from cluster.transcription.config import TranscriptionOptions
from cluster.transcription.plan import TranscriptionPlan, make_plan
from cluster.transcription.run import TranscriptionRun
from schemas.errors import InputError
from schemas.transcriptions import TranscriptionRecord


def run_transcription(options: TranscriptionOptions) -> ExitCode:
    """Transcribe all videos that have no transcript of this lip reader yet."""
    try:
        record = transcribe(options)
    except (InputError, ImportError) as error:
        return bad_input(error)
    return exit_code(record, options.failures.max_failure_ratio)


def transcribe(options: TranscriptionOptions) -> TranscriptionRecord:
    """Carry out a transcription run.

    Raises `InputError` for bad input, before anything is touched; and where another run is writing, or nothing can be
    written.
    """
    plan = make_plan(options)
    engine = DeferredEngine(options.engine, files.join(options.output, "staging"))
    with closing(engine), plan.dataset.lease() as lease:
        plan.dataset.prepare()
        plan.dataset.close_records(lease.predecessors, render_transcription_report)
        return _run(plan, engine)


def _run(plan: TranscriptionPlan, engine: Engine) -> TranscriptionRecord:
    increment = increment_of(plan.videos, plan.dataset.settled(), plan.options.failures.retry_failed)
    if increment.pending:
        engine = engine.started()
    pending = pa.chunked_array([sorted(video.id for video in increment.pending)], pa.string())
    return TranscriptionRun(plan, increment, engine, replaced=plan.dataset.withdraw(pending))()
