"""The training of a classifier, from options to an exit code.

data ─► plan ─► lease ─► engine (workers: epochs, states, results) ─► record ─► report, checkpoint

The output holds, in the order in which they are written:

    lease.json                     while a training writes: which one
    state/                         where it has got to (`cluster.training.states`)
    tensorboard/                   curves
    model.safetensors, history.json, training.json (`schemas.trainings`), training.html
    config.json                    last: with it, the training is finished
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from classifiers.data.class_choice import ClassChoiceError
from classifiers.data.splits import SplitError
from classifiers.training.loop import DivergedError
from classifiers.training.state import TrainingStateError
from classifiers.weights.checkpoint import EpochRecord
from cluster.clips.cache import ClipCacheError
from cluster.datasets.manifest import ManifestError
from cluster.datasets.vocabulary import ClassNamesError
from cluster.engines.base import EngineError
from cluster.features.files import FeatureFileError
from cluster.runs.lifecycle import terminable
from cluster.storage import files
from cluster.storage.lease import Lease, LeaseError
from cluster.training.base import ResourceError
from cluster.training.clip_data import ClipDataError
from cluster.training.clip_source import LostClipError
from cluster.training.config import CLIPS, ClassifierTrainingConfig
from cluster.training.engines import make_training_engine
from cluster.training.initial_weights import InitialWeightsError
from cluster.training.kinds import load_training_data
from cluster.training.output import RECORD_FILE, REPORT_FILE, OtherTrainingError, is_finished, write_output
from cluster.training.states import StateFolder
from cluster.training.worker import TrainingPlan
from schemas.trainings import LostVideo, TrainingRecord

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
FP32 = "fp32"
BAD = (
    FeatureFileError,
    ManifestError,
    ClipDataError,
    ClipCacheError,
    InitialWeightsError,
    ClassNamesError,
    ClassChoiceError,
    SplitError,
    TrainingStateError,
    OtherTrainingError,
    ResourceError,
    LeaseError,
    files.StorageError,
    OSError,
    ImportError,
)
MAX_LOST_TOLD = 20

logger = logging.getLogger("framemill")


def run_training(config: ClassifierTrainingConfig) -> int:
    """Train, or go on with a training. Returns the exit code.

    0 (done, or finished before), 1 (workers were lost again and again, the loss went out of bounds, or videos went away
    meanwhile), 2 (bad options or data, another training in the output), 130 (interrupted; the same command goes on).
    """
    try:
        with terminable():
            _train(config.resolved())
    except BAD as error:
        logger.error(error)
        return BAD_INPUT
    except (EngineError, DivergedError, LostClipError) as error:
        logger.error(error)
        return FAILED
    except KeyboardInterrupt:
        logger.warning("interrupted: the same command goes on after the last epoch")
        return INTERRUPTED
    return DONE


def _train(config: ClassifierTrainingConfig) -> None:
    started = time.monotonic()
    files.check_writable(config.output)
    data = load_training_data(config)
    identity = {**config.identity(), **data.identity()}
    opened_seconds = time.monotonic() - started
    with _lease(config.output) as lease:
        states = StateFolder(config.output, identity)
        if is_finished(config.output, identity):
            logger.info(f"{config.output} holds this training, finished: nothing to do")
            states.clear()
            return
        state = states.latest()
        sizes = ", ".join(f"{name} {len(split)}" for name, split in data.splits.items())
        logger.info(f"{config.model}, {len(data.choice)} classes, videos: {sizes}")
        if state is not None:
            logger.info(f"going on after {len(state.history.epochs)} epochs")
        # Ray takes SIGTERM for itself when it starts.
        with closing(make_training_engine(config)) as engine, terminable():
            resources = engine.resources(config)
            if config.kind == CLIPS and config.precision != FP32 and not resources.on_gpu:
                raise ResourceError(
                    f"--precision {config.precision} for clips needs a GPU: on CPUs torch computes wrong gradients of "
                    "3D convolutions in it. Leave it out"
                )
            plan = TrainingPlan(config, data, identity, resources.cpus)
            outcome = engine.run(plan, resources, lambda record: _tell_epoch(record, config, states))
        lease.check()
        _tell_results(write_output(plan, resources, outcome, opened_seconds), config)
        states.clear()


def _tell_epoch(record: EpochRecord, config: ClassifierTrainingConfig, states: StateFolder) -> None:
    if not record.epoch:
        _tell_lost(states.lost() or ())
    parts = [
        f"{split} {' '.join(f'{name} {measured[name]:.4f}' for name in ('loss', 'hit_at_one'))}"
        for split, measured in (("training", record.training), ("validation", record.validation))
        if measured
    ]
    phases = len(config.phase_options())
    phase = f" (phase {record.phase + 1} of {phases})" if phases > 1 else ""
    logger.info(f"epoch {record.epoch + 1} of {config.epochs}{phase}: {', '.join(parts)}, {record.seconds:.1f} s")


def _tell_lost(lost: Sequence[LostVideo]) -> None:
    for video in lost[:MAX_LOST_TOLD]:
        logger.warning(f"left out: {video.id} ({video.uri}), {video.code}: {video.message}")
    if len(lost) > MAX_LOST_TOLD:
        logger.warning(f"and {len(lost) - MAX_LOST_TOLD} more, which {RECORD_FILE} lists")


def _tell_results(record: TrainingRecord, config: ClassifierTrainingConfig) -> None:
    for result in record.splits:
        summary = ", ".join(f"{name} {value:.4f}" for name, value in result.summary.items() if value is not None)
        logger.info(f"{result.name} ({result.videos} videos): {summary}")
    report = files.join(config.output, REPORT_FILE)
    logger.info(f"best epoch {record.best_epoch + 1} of {len(record.history)}; report: {report}")


@contextmanager
def _lease(output: str) -> Iterator[Lease]:
    """Be the one training that writes."""
    lease = Lease(files.join(output, "lease.json"), f"training-{os.getpid()}-{secrets.token_hex(3)}")
    lease.acquire()
    try:
        yield lease
    finally:
        lease.release()
