"""The nightly run, from options to an exit code.

checkpoint, videos ─► lease ─► `Night` (extraction, scoring, statistics, page)

Each part knows by itself what is left to do, so that a night which failed or was killed is made up by the next. Where
nothing is left and the day has its record, no file is touched. More runs on a day are added to its record.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CheckpointError, check_fingerprint
from cluster.extraction.job import BAD_INPUT, INTERRUPTED, planned
from cluster.extraction.plan import Inputs, Plan, PlanError, read_inputs
from cluster.nightly.config import NightlyConfig
from cluster.nightly.night import TROUBLE, Night
from cluster.nightly.records import NightRecordError, NightRecords
from cluster.runs.lifecycle import terminable
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage import files
from cluster.storage.files import StorageError
from cluster.storage.lease import Lease

logger = logging.getLogger("framemill")


def run_nightly(config: NightlyConfig) -> int:
    """Extract and label what is new, and tell of it. Returns the exit code.

    0 (done, or nothing to do), 1 (an engine gave up, or an output takes no more), 2 (bad input, or another run is
    writing: nothing was touched), 3 (too many failures; all else was done), 130 (interrupted).
    """
    config = config.dated()
    try:
        inputs, classifier = _read(config)
        with planned(config.extraction(), inputs) as (plan, engine), terminable():
            _check_fit(classifier, plan)
            records = NightRecords(config.labels)
            run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
            with _held(records.lease(run_id)) as lease:
                return Night(config, run_id, classifier, plan, engine, records, lease)()
    except PlanError as error:
        for problem in error.problems:
            logger.error(problem)
        return BAD_INPUT
    except (*TROUBLE, NightRecordError, ImportError) as error:
        logger.error(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


def _read(config: NightlyConfig) -> tuple[Inputs, TrainedClassifier]:
    """Videos, weights and classifier; raises `PlanError` with all problems of them."""
    problems: list[str] = []
    inputs: Inputs | None = None
    classifier: TrainedClassifier | None = None
    try:
        classifier = TrainedClassifier({uri: read_checkpoint_at(uri) for uri in config.checkpoint})
    except (CheckpointError, StorageError, OSError) as error:
        problems.append(str(error))
    try:
        files.check_writable(config.labels)
    except StorageError as error:
        problems.append(str(error))
    try:
        inputs = read_inputs(config.extraction())
    except PlanError as error:
        problems += error.problems
    if problems or inputs is None or classifier is None:
        raise PlanError(problems)
    return inputs, classifier


def _check_fit(classifier: TrainedClassifier, plan: Plan) -> None:
    """Make sure that the classifier can take what would be extracted: a night of work is at stake."""
    problems = []
    try:
        check_fingerprint(classifier.config, plan.fingerprint, "what these options extract")
    except CheckpointError as error:
        problems.append(str(error))
    if classifier.level == "frame" and not plan.config.frame_features:
        problems.append(f"model {classifier.name} takes the features of single frames: give --frame-features")
    if problems:
        raise PlanError(problems)


@contextmanager
def _held(lease: Lease) -> Iterator[Lease]:
    try:
        lease.acquire()
    except OSError as error:
        raise StorageError(f"the labels cannot be written to: {error}\nGive --labels another place") from error
    try:
        yield lease
    finally:
        lease.release()
