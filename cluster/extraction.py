"""One run of feature extraction: what is asked for, less what is done, through an engine, into the dataset.

manifest ─► videos ─ settled ids ─► queue ─► engine ─► assembler ─► sink ─► shards, failures
                                                            └► run log ─► record, report
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from types import FrameType

from cluster.assembler import Assembler
from cluster.dataset import DatasetError
from cluster.dry_run import estimate
from cluster.engines import Engine, EngineError, make_engine
from cluster.extraction_config import ExtractionConfig
from cluster.extraction_plan import Plan, PlanError, make_plan, read_inputs, save_vocabulary
from cluster.progress import Progress
from cluster.report import render_run_report
from cluster.run_log import RunLog
from cluster.sink import Sink
from cluster.storage import StorageError, write_bytes
from cluster.tasks import Done, TaskQueue
from schemas.features import FeatureRow
from schemas.runs import RunRecord

DONE, ENGINE_FAILED, BAD_INPUT, TOO_MANY_FAILURES, INTERRUPTED = 0, 1, 2, 3, 130
PICTURES = 24

logger = logging.getLogger("framemill")


def run_extraction(config: ExtractionConfig) -> int:
    """Do all that is left to do. Returns the exit code.

    0 (done), 1 (the engine gave up), 2 (bad input, nothing was touched), 3 (too many failures), 130 (interrupted).
    """
    try:
        inputs = read_inputs(config)
        with closing(make_engine(config.engine, config.engine_config())) as engine:
            plan = make_plan(config, inputs, on_gpu=engine.machine().gpus > 0)
            if config.dry_run:
                print(estimate(plan, engine.machine()))
                return DONE
            plan = replace(plan, settled=plan.dataset.prepare(plan.settled))
            save_vocabulary(plan)
            record = _run(plan, engine)
    except PlanError as error:
        for problem in error.problems:
            logger.error(problem)
        return BAD_INPUT
    except (DatasetError, StorageError, ImportError) as error:
        logger.error(error)
        return BAD_INPUT
    _publish(plan, record)
    if record.status != "completed":
        return INTERRUPTED if record.status == "interrupted" else ENGINE_FAILED
    processed = record.counts.processed
    is_too_many = processed and record.counts.failed / processed > config.max_failure_ratio
    return TOO_MANY_FAILURES if is_too_many else DONE


def _run(plan: Plan, engine: Engine) -> RunRecord:
    config = plan.config
    if plan.weights_warning:
        logger.warning(plan.weights_warning)
    logger.info(
        f"run {plan.run_id}: {len(plan.videos)} videos, {len(plan.videos) - len(plan.pending)} settled before, "
        f"{len(plan.pending)} to do, into {config.output}"
    )
    pictured = {plan.pending[len(plan.pending) * number // PICTURES].id for number in range(PICTURES) if plan.pending}
    queue = TaskQueue(plan.pending, thumbnails=pictured)
    log = RunLog(plan.run_id)
    sink = Sink(plan.dataset, config.rows_per_shard, plan.settled.failed)
    style = Progress.style_for(quiet=config.quiet, log_format=config.log_format)
    status = "completed"
    with Progress(len(plan.pending), style=style) as progress:
        try:
            with _terminable():
                if plan.pending:  # else there is no need for workers
                    _consume(plan, engine, queue, sink, log, progress)
        except KeyboardInterrupt:
            status = "interrupted"
        except EngineError as error:
            logger.error(error)
            status = "failed"
        finally:
            sink.commit()
    return log.record(
        status=status,
        configuration=asdict(config),
        fingerprint=plan.fingerprint,
        machine=engine.machine(),
        videos_total=len(plan.videos),
        already_done=len(plan.videos) - len(plan.pending),
        retried=len(queue.retried),
        bytes_written=plan.dataset.bytes_written,
        shards=plan.dataset.shards,
        weights_warning=plan.weights_warning,
    )


def _consume(plan: Plan, engine: Engine, queue: TaskQueue, sink: Sink, log: RunLog, progress: Progress) -> None:
    assembler = Assembler(plan.vocabulary.indices, plan.run_id)
    with closing(engine.run(queue, plan.worker)) as outcomes:  # type: ignore[type-var]  # engines are generators
        for outcome in outcomes:
            if isinstance(outcome, Done):
                log.add_segment(outcome)
                progress.add_frames(outcome.features.num_frames)
            row = assembler.add(outcome)
            if row is None:
                continue
            if isinstance(row, FeatureRow):
                log.add_row(row, progress.seconds)
                sink.add_row(row, outcome.task.video.version)
            else:
                log.add_failure(row, progress.seconds)
                sink.add_failure(row)
            progress.add_video(failed=not isinstance(row, FeatureRow))


def _publish(plan: Plan, record: RunRecord) -> None:
    write_bytes(plan.dataset.run_uri(".json"), record.to_json().encode())
    report = plan.dataset.run_uri(".html")
    write_bytes(report, render_run_report(record).encode())
    counts = record.counts
    logger.info(
        f"{record.status}: {counts.extracted} videos extracted, {counts.failed} failed, {counts.already_done} settled "
        f"before, {counts.frames} frames in {record.wall_seconds:.1f} s"
    )
    for code, number in sorted(record.failures_by_code.items()):
        logger.info(f"  {number} × {code} (try them again with --retry-failed {code})")
    logger.info(f"report: {report}")


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM stop a run as Ctrl-C does, so that what is finished is committed."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
