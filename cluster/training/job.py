"""The training of a classifier, from options to an exit code.

data ─► plan ─► lease ─► engine (workers: epochs, states, results) ─► record ─► report, checkpoint

The output holds, in the order in which they are written:

    lease.json                     while a training writes: which one
    state/                         of an unfinished training (`cluster.training.states`)
    tensorboard/                   curves
    model.safetensors, history.json, training.json (`schemas.trainings`), training.toml
    training.html, config.json     once the last one exists, the training is finished
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from classifiers.choices import FP32, WORD_ERROR_RATE
from classifiers.training.loop import DivergedError
from cluster.datasets.folder import held
from cluster.engines.base import EngineError
from cluster.runs.lifecycle import ExitCode, bad_input, new_run_id, terminable
from cluster.runs.progress import Progress
from cluster.storage import files
from cluster.storage.lease import Lease
from cluster.training.base import ResourceError
from cluster.training.clip_source import LostClipError
from cluster.training.config import FEATURES, TrainingOptions, TrainingSettings
from cluster.training.data import identity_of
from cluster.training.engines import is_on_cpu, make_training_engine
from cluster.training.kinds import load_training_data
from cluster.training.output import REPORT_FILE, is_finished, write_output
from cluster.training.precision import with_precision
from cluster.training.progress import ProgressDisplay
from cluster.training.states import StateFolder
from cluster.training.worker import TrainingPlan
from schemas.errors import InputError
from schemas.evaluations import SplitResult
from schemas.text import counted
from schemas.text_results import TextResult
from schemas.trainings import RECORD_FILE, Epoch, LostVideo, TrainingRecord

MAX_LOST_LOGGED = 20
LOGGED = ("loss", "hit_at_one", "character_error_rate", WORD_ERROR_RATE)  # metrics of an epoch

logger = logging.getLogger("framemill")


def run_training(options: TrainingOptions, cluster: Callable[[], Any] = lambda: None) -> ExitCode:
    """Train a classifier, or resume a training that was interrupted.

    `cluster` waits for a connection to Ray that has begun to be made (`early_start`).
    """
    try:
        with terminable():
            _train(options.settings(), cluster)
    except (InputError, OSError, ImportError) as error:
        return bad_input(error)
    except (EngineError, DivergedError, LostClipError) as error:
        logger.error(error)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        logger.warning("interrupted: the same command resumes after the last epoch")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def _train(settings: TrainingSettings, cluster: Callable[[], Any]) -> None:
    started = time.monotonic()
    options, output = settings.options, settings.options.output
    files.check_writable(output)
    settings = with_precision(settings)
    if is_on_cpu(options.engine):
        _check_precision(settings, on_gpu=False)
    data = load_training_data(settings)
    identity = identity_of(data)
    opened_seconds = time.monotonic() - started
    lease = Lease(files.join(output, "lease.json"), new_run_id(datetime.now(UTC)))
    with held(lease, output, "Give another --output"):
        states = StateFolder(output, identity)
        if is_finished(output, identity):
            logger.info(f"{output} holds this training, finished: nothing to do")
            states.clear()
            return
        state = states.latest()
        sizes = ", ".join(f"{name} {len(split)}" for name, split in data.splits.items())
        noun = "classes" if data.input.alphabet is None else "outputs"
        logger.info(f"{options.model.model} in {settings.precision}, {len(data.choice)} {noun}, videos: {sizes}")
        if state is not None:
            logger.info(f"resuming after {counted(len(state.history.epochs), 'epoch')}")
        style = Progress.style_for(quiet=options.reporting.quiet, log_format=options.reporting.log_format)
        # Ray installs its own SIGTERM handler when it starts.
        with (
            closing(ProgressDisplay(style)) as display,
            closing(make_training_engine(options.engine, cluster())) as engine,
            terminable(),
        ):
            resources = engine.resources(options.engine)
            _check_precision(settings, on_gpu=resources.on_gpu)
            plan = TrainingPlan(settings, data, identity, resources.cpus)

            def report(record: Epoch) -> None:
                display.clear()
                _log_epoch(record, settings, states)

            outcome = engine.run(plan, resources, report, display.show)
        lease.confirm()
        _log_results(write_output(plan, resources, outcome, opened_seconds), output)
        states.clear()


def _check_precision(settings: TrainingSettings, *, on_gpu: bool) -> None:
    precision = settings.precision
    if settings.kind != FEATURES and precision != FP32 and not on_gpu:
        raise ResourceError(
            f"--precision {precision} for clips needs a GPU: on CPUs torch computes wrong gradients of 3D convolutions "
            "in it. Leave it out"
        )


def _log_epoch(record: Epoch, settings: TrainingSettings, states: StateFolder) -> None:
    if not record.epoch:
        _log_lost(states.lost() or ())
    parts = [
        f"{split} {' '.join(f'{name} {value:.4f}' for name in LOGGED if (value := measured.get(name)) is not None)}"
        for split, measured in (("training", record.training), ("validation", record.validation))
        if measured
    ]
    phases = len(settings.phases)
    phase = f" (phase {record.phase + 1} of {phases})" if phases > 1 else ""
    logger.info(f"epoch {record.epoch + 1} of {settings.epochs}{phase}: {', '.join(parts)}, {record.seconds:.1f} s")
    for sentence in record.examples:
        logger.info(f"  said: {sentence.text}")
        logger.info(f"  read: {sentence.read}")


def _log_lost(lost: Sequence[LostVideo]) -> None:
    for video in lost[:MAX_LOST_LOGGED]:
        logger.warning(f"left out: {video.id!r} ({video.uri}), {video.code}: {video.message}")
    if len(lost) > MAX_LOST_LOGGED:
        logger.warning(f"and {len(lost) - MAX_LOST_LOGGED} more, which {RECORD_FILE} lists")


def _log_results(record: TrainingRecord, output: str) -> None:
    results: tuple[SplitResult | TextResult, ...] = (*record.splits, *record.texts)
    for result in results:
        summary = ", ".join(f"{name} {value:.4f}" for name, value in result.summary.items() if value is not None)
        logger.info(f"{result.name} ({counted(result.videos, 'video')}): {summary}")
    report = files.join(output, REPORT_FILE)
    logger.info(f"best epoch {record.best_epoch + 1} of {len(record.history)}; report: {report}")
