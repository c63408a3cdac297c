"""The nightly run, from options to an exit code.

checkpoint, videos ─► lease ─► `Night` (extraction, scoring, statistics, page)

Each step determines by itself what is left to do, so that the next night makes up for one that failed or was killed.
Where nothing is left and the day has its record, no file is touched. Further runs on a day are added to its record.
Both steps run on one engine.
"""

from __future__ import annotations

from datetime import UTC, datetime

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CheckpointError, check_fingerprint
from cluster.extraction.job import planned
from cluster.extraction.plan import Inputs, Plan, read_inputs
from cluster.extraction.recorded import recorded_settings
from cluster.nightly.config import NightlyOptions, NightlySettings
from cluster.nightly.night import BROKEN, Night
from cluster.nightly.records import NightRecords
from cluster.runs.lifecycle import ExitCode, bad_input, new_run_id, terminable
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage import files
from schemas.errors import InputError


def run_nightly(options: NightlyOptions) -> ExitCode:
    """Extract and label new and changed videos, and write the record and page of the day."""
    try:
        settings = options.settings(recorded_settings(options.features))
        inputs, classifier = _read(settings)
        with planned(settings.extraction, inputs) as (plan, engine), terminable():
            _check_fit(classifier, plan)
            records = NightRecords(options.labels)
            run_id = new_run_id(datetime.now(UTC))
            with records.lease(run_id) as lease:
                return Night(settings, run_id, classifier, plan, engine, records, lease)()
    except (*BROKEN, ImportError) as error:
        return bad_input(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _read(settings: NightlySettings) -> tuple[Inputs, TrainedClassifier]:
    """Videos, weights and classifier; raises `InputError` with all problems of them."""
    problems: list[str] = []
    inputs: Inputs | None = None
    classifier: TrainedClassifier | None = None
    try:
        classifier = TrainedClassifier({uri: read_checkpoint_at(uri) for uri in settings.options.checkpoint})
    except (CheckpointError, InputError, OSError) as error:
        problems.append(str(error))
    try:
        files.check_writable(settings.options.labels)
    except InputError as error:
        problems += error.problems
    try:
        inputs = read_inputs(settings.extraction)
    except InputError as error:
        problems += error.problems
    if problems or inputs is None or classifier is None:
        raise InputError(*problems)
    return inputs, classifier


def _check_fit(classifier: TrainedClassifier, plan: Plan) -> None:
    """Check that the classifier takes the features that would be extracted, before a night is spent on them."""
    problems = []
    try:
        check_fingerprint(classifier.config, plan.fingerprint, "what these options extract")
    except CheckpointError as error:
        problems.append(str(error))
    if classifier.level == "frame" and not plan.options.sampling.frame_features:
        problems.append(f"model {classifier.name} takes the features of single frames: give --frame-features")
    if problems:
        raise InputError(*problems)
