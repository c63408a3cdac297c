"""The output of a finished training: writing it, and checking whether it exists already.

In: the plan of a training and its outcome. Out, in this order:

    model.safetensors, history.json   of the checkpoint (`classifiers.weights.checkpoint`)
    training.json                     the record (`schemas.trainings`)
    training.toml                     the options: `--config` with this file repeats the training
    training.html                     the report made of the record, for which videos are looked into
    config.json                       of the checkpoint; once it exists, the training is finished
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from classifiers.training.identity import TrainingIdentity
from classifiers.weights.checkpoint import CONFIG_FILE, SCHEMA_VERSION, Checkpoint, CheckpointConfig, write_checkpoint
from cluster.reports.context import PageContext
from cluster.reports.lip_report import render_lip_report
from cluster.reports.training_report import FILE_NAME, render_training_report
from cluster.runs.config_file import config_text
from cluster.runs.provenance import command_line, package_versions, without_secrets
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from cluster.training.base import WorkerResources
from cluster.training.config import TrainingOptions
from cluster.training.data import TrainingData
from cluster.training.report_context import feature_reports, lip_previews, mistake_pictures
from cluster.training.worker import TrainingOutcome, TrainingPlan
from schemas import strict_json
from schemas.errors import InputError
from schemas.evaluations import SplitResult
from schemas.records import utc_text
from schemas.text_results import ReadSentence, TextResult
from schemas.trainings import RECORD_FILE, VALIDATION, TrainedClass, TrainedPhase, TrainingMachine, TrainingRecord

OPTIONS_FILE, REPORT_FILE = "training.toml", FILE_NAME

logger = logging.getLogger("framemill")


class OtherTrainingError(InputError):
    """The output holds a finished training with other options; the message lists the differences."""


def finished_config(output: str) -> CheckpointConfig | None:
    """That of the finished training which `output` holds. Raises `OtherTrainingError` where it cannot be read."""
    uri = files.join(output, CONFIG_FILE)
    try:
        content = files.read_bytes(uri)
    except FileNotFoundError:
        return None
    try:
        return strict_json.load(CheckpointConfig, content.decode(), uri, schema_version=SCHEMA_VERSION)
    except ValueError as error:
        raise OtherTrainingError(f"{error}\nGive another --output") from error


def is_finished(output: str, identity: TrainingIdentity) -> bool:
    """Whether `output` holds this training, finished. Raises `OtherTrainingError` where it holds another."""
    config = finished_config(output)
    if config is None:
        return False
    differences = identity.differences(config.training.get("identity", {}))
    if differences:
        lines = "\n".join(f"  - {line}" for line in differences)
        raise OtherTrainingError(
            f"{output} holds a finished training with other options:\n{lines}\nGive another --output"
        )
    return True


def write_output(
    plan: TrainingPlan, resources: WorkerResources, outcome: TrainingOutcome, opened_seconds: float
) -> TrainingRecord:
    """Write all files of the output; `opened_seconds` is the time that opening the data took."""
    plan = replace(plan, data=plan.data.without(outcome.lost))
    record = _record(plan, resources, outcome, opened_seconds)
    output = plan.settings.options.output
    contents = write_checkpoint(Checkpoint(_checkpoint_config(plan, outcome), outcome.state, outcome.history))
    last = contents.pop(CONFIG_FILE)
    contents[RECORD_FILE] = record.to_json().encode()
    contents[OPTIONS_FILE] = config_text(_repeating(plan), "a training").encode()
    _write(output, contents)
    _write(output, {REPORT_FILE: _page(plan, record).encode(), CONFIG_FILE: last})
    return record


def _repeating(plan: TrainingPlan) -> TrainingOptions:
    """The options that repeat the training on any machine: with the precision that `auto` has chosen on this one."""
    options = plan.settings.options
    return replace(options, optimisation=replace(options.optimisation, precision=plan.settings.precision))


def _write(output: str, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        files.write_bytes(files.join(output, name), content)


def _page(plan: TrainingPlan, record: TrainingRecord) -> str:
    options = plan.settings.options
    context = PageContext(
        uri=files.join(options.output, REPORT_FILE),
        pages=feature_reports(options.features),
        unchanged=options.unchanged(),
    )
    with_pictures = not options.reporting.without_pictures
    if record.lips is not None:
        previews = lip_previews(record, plan.data, plan.threads) if with_pictures else {}
        return render_lip_report(record, previews, context)
    pictures = mistake_pictures(record, plan.data, options.policy) if with_pictures else {}
    return render_training_report(record, pictures, context)


def _checkpoint_config(plan: TrainingPlan, outcome: TrainingOutcome) -> CheckpointConfig:
    settings, options, data, given = plan.settings, plan.settings.options, plan.data, plan.data.input
    validation = next((result.summary for result in outcome.results if result.name == VALIDATION), {})
    return CheckpointConfig(
        model=options.model.model,
        options=asdict(options.model.config()),
        num_classes=len(data.choice),
        class_names=data.choice.names if given.alphabet is None else (),
        class_indices=data.choice.indices if given.alphabet is None else (),
        rgb_dim=given.rgb_dim,
        audio_dim=given.audio_dim,
        level=settings.level,
        task=options.task,
        input_columns=given.columns,
        feature_fingerprint=given.fingerprint,
        clips=given.clips,
        lips=given.lips,
        alphabet=given.alphabet,
        temperature=1.0 if outcome.fit is None else outcome.fit.temperature,
        metrics={name: value for name, value in validation.items() if value is not None},
        training={
            "videos": {name: len(split) for name, split in data.splits.items()},
            "epochs": len(outcome.history.epochs),
            "best_epoch": outcome.history.best_epoch,
            "identity": dict(plan.identity.values),
        },
        seed=options.optimisation.seed,
    )


def _record(
    plan: TrainingPlan, resources: WorkerResources, outcome: TrainingOutcome, opened_seconds: float
) -> TrainingRecord:
    settings, options, data = plan.settings, plan.settings.options, plan.data
    now = utc_text(datetime.now(UTC))
    counts = {name: split.counts().tolist() for name, split in data.splits.items()}
    assert outcome.resume_log is not None
    assert outcome.history.best_epoch is not None
    return TrainingRecord(
        command=command_line(),
        started_at=outcome.resume_log.started_at,
        finished_at=now,
        configuration=without_secrets(settings.configuration()),
        model=options.model.model,
        parameters=outcome.parameters,
        level=settings.level,
        task=options.task,
        monitor=settings.monitor,
        seed=options.optimisation.seed,
        rgb_dim=data.input.rgb_dim,
        audio_dim=data.input.audio_dim,
        classes=tuple(
            TrainedClass(name=name, index=index, videos={split: counts[split][position] for split in counts})
            for position, (name, index) in enumerate(zip(data.choice.names, data.choice.indices, strict=True))
        ),
        split_sizes={name: len(split) for name, split in data.splits.items()},
        history=outcome.history.epochs,
        best_epoch=outcome.history.best_epoch,
        stopped_early=outcome.stopped_early,
        resumed_at_epoch=outcome.resume_log.resumed_at_epoch,
        splits=tuple(_with_uris(one, data) for one in outcome.results if isinstance(one, SplitResult)),
        texts=tuple(_with_uris_of_sentences(one, data) for one in outcome.results if isinstance(one, TextResult)),
        temperature=outcome.fit,
        seconds_by_stage={"opening": opened_seconds, **outcome.seconds_by_stage},
        machine=TrainingMachine(
            engine=options.engine.engine, workers=options.engine.workers, device=outcome.device, cpus=resources.cpus
        ),
        versions=package_versions(),
        feature_fingerprint=data.input.fingerprint,
        phases=tuple(
            TrainedPhase(
                epochs=phase.epochs,
                stages=phase.stages,
                optimizer=phase.optimizer,
                learning_rate=phase.learning_rate,
                schedule=phase.schedule,
            )
            for phase in settings.phases
        ),
        clips=data.input.clips,
        lost=outcome.lost,
        by_frame=outcome.by_frame,
        lips=data.input.lips,
    )


def _with_uris_of_sentences(result: TextResult, data: TrainingData) -> TextResult:
    """The result with the URIs of its sentences."""
    uris = data.uris(result.name, {one.id for one in (*result.worst, *result.best)})

    def located(sentences: Sequence[ReadSentence]) -> tuple[ReadSentence, ...]:
        return tuple(replace(one, uri=redacted_uri(uris.get(one.id, ""))) for one in sentences)

    return replace(result, worst=located(result.worst), best=located(result.best))


def _with_uris(result: SplitResult, data: TrainingData) -> SplitResult:
    """The result with the URIs of mistaken videos."""
    uris = data.uris(result.name, {mistake.id for mistake in result.mistakes})
    mistakes = (replace(mistake, uri=redacted_uri(uris.get(mistake.id, ""))) for mistake in result.mistakes)
    return replace(result, mistakes=tuple(mistakes))
