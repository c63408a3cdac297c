"""The models that are served: checkpoints of any kind, read and verified, with the stages that feed them.

In: the options. Out: `ServedModels`. Classifiers of features that share a fingerprint share an extractor, whose weights
follow from it; every other classifier has a stage of its own, that of `jobs/score_videos.py --timeline`, and every lip
reader (`readers`), too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, cast

import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.inference.timelines import TimelineForm
from classifiers.weights.checkpoint import CLIP, LIP, Checkpoint, CheckpointError, check_fingerprint
from cluster.engines.stage import VideoStage
from cluster.extraction.plan import get_weights, make_extractor
from cluster.extraction.recorded import OPTION_OF, PART_OF, WHOLE, published_name
from cluster.features.steps import StepGrid
from cluster.runs.option import spelled
from cluster.scoring.backends import BACKENDS
from cluster.scoring.feature_plan import step_grid
from cluster.scoring.plan import read_checkpoint_at, timeline_form
from cluster.scoring.timeline_kinds import timeline_kind
from cluster.serving.config import ServeOptions
from cluster.serving.length import LengthStage, grid_points
from cluster.serving.readers import ServedReader, read_reader, unread
from cluster.serving.still_stage import StillStage
from cluster.storage import files
from cluster.timelines.config import TimelineOptions
from extractors.flow.fields import require_flow
from extractors.networks.precision import resolve_audio_precision
from extractors.sampling import SamplingConfig
from extractors.video.grid import as_fps
from extractors.weights.weight_sets import Kind
from schemas.errors import InputError
from schemas.numerals import natural_number_of
from schemas.trainings import VALIDATION, TrainingRecord

# The stages that every video goes through first, and that makes pictures: names that no model can have.
LENGTH, STILL = "/length", "/still"
FEATURES = "features"
STRIDE_SECONDS = 1.0
MAX_CONFUSED = 5  # classes named beside one
RECORD_FILE, REPORT_FILE = "training.json", "training.html"
# Of features that are YouTube-8M's own, and have no fingerprint.
YOUTUBE_8M: Mapping[Kind, str] = {
    "frames": "inception-2015",
    "frame-pca": "yt8m",
    "sound": "vggish",
    "sound-pca": "vggish",
}


@dataclass(frozen=True, kw_only=True)
class ServedClassifier:
    """One classifier.

    kind          mean, frames, clip or stream
    stage         the key of the stage that it takes its input from, or that it is part of
    grid          where the steps are, of one that takes features
    accuracy      on the validation split; None where it is not known
    confusions    by the name of a class, the classes that it was taken for, and the shares of its videos
    report        the page of its training; None where there is none
    """

    name: str
    kind: str
    trained: TrainedClassifier | TrainedClipClassifier
    stage: str
    step_seconds: Fraction
    form: TimelineForm
    grid: StepGrid | None
    accuracy: float | None
    confusions: Mapping[str, tuple[tuple[str, float], ...]]
    report: bytes | None

    word_error_rate: ClassVar[None] = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of its outputs."""
        return self.trained.config.class_names

    @property
    def step_hz(self) -> float:
        """The steps a second of its timelines."""
        return float(1 / self.step_seconds)

    @property
    def is_live(self) -> bool:
        """Whether it can watch a camera."""
        return self.kind == "stream"

    @property
    def live_hz(self) -> float | None:
        """The frames a second that it wants of a camera."""
        fps = self.trained.clips.format.fps if isinstance(self.trained, TrainedClipClassifier) else None
        return float(as_fps(fps)) if self.is_live and fps is not None else None


ServedModel = ServedClassifier | ServedReader


@dataclass(frozen=True)
class ServedModels:
    """All models by their names, and the stages that work through videos by their keys."""

    models: Mapping[str, ServedModel]
    stages: Mapping[str, VideoStage]
    sampling: Mapping[str, SamplingConfig]

    @property
    def classifiers(self) -> dict[str, ServedClassifier]:
        """Those that label videos."""
        return {name: model for name, model in self.models.items() if isinstance(model, ServedClassifier)}


def read_models(options: ServeOptions) -> ServedModels:
    """Read all checkpoints. Raises `InputError` with everything that is wrong."""
    problems: list[str] = []
    models: dict[str, ServedModel] = {}
    max_pixels = options.uploads.max_pixels
    stages: dict[str, VideoStage] = {
        LENGTH: LengthStage(max_pixels, options.uploads.max_duration),
        STILL: StillStage(max_pixels),
    }
    sampling: dict[str, SamplingConfig] = {}
    extractors: dict[tuple[tuple[str, str], ...], str] = {}
    for uri in options.checkpoint:
        try:
            checkpoint = read_checkpoint_at(uri)
            name = _name(uri, models)
            if checkpoint.config.level == LIP:
                reader = read_reader(name, uri, checkpoint, options, _optional(uri, REPORT_FILE))
                models[name], stages[name] = reader, reader.manner.stage
                continue
            if checkpoint.config.level == CLIP:
                models[name], stages[name] = _clip_model(name, uri, checkpoint, options)
                continue
            fingerprint = dict(checkpoint.config.feature_fingerprint)
            key = tuple(sorted(fingerprint.items()))
            if key not in extractors:
                stage = f"{FEATURES}-{len(extractors)}"
                sampling[stage], stages[stage] = _extractor(uri, checkpoint, options)
                extractors[key] = stage
            models[name] = _feature_model(name, uri, checkpoint, extractors[key], options.timelines)
        except (CheckpointError, InputError, OSError, ValueError, ImportError) as error:
            problems.append(str(error))
    if not problems and not any(isinstance(model, ServedReader) for model in models.values()):
        problems += unread(options)
    if problems:
        raise InputError(*problems)
    return ServedModels(models, stages, sampling)


def _name(uri: str, taken: Mapping[str, ServedModel]) -> str:
    """The last part of its place, with a number where another model has that name."""
    stem = posixpath.basename(files.join(uri).rstrip("/")) or "model"
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    return name


def _clip_model(
    name: str, uri: str, checkpoint: Checkpoint, options: ServeOptions
) -> tuple[ServedClassifier, VideoStage]:
    trained = TrainedClipClassifier({uri: checkpoint})
    require_flow(trained.clips.format.flow)
    kind = timeline_kind(trained)
    timelines: TimelineOptions = options.timelines
    if trained.is_stream:
        timelines = replace(timelines, stride=None)
    else:
        stride = timelines.stride or STRIDE_SECONDS
        timelines = replace(timelines, stride=stride, timeline_hz=1.0, memory_seconds=None)
    seconds = kind.step_seconds(trained, timelines)
    precision = options.replicas.precision
    if not kind.runs_on_gpus:  # others follow the device of the replica that they run in
        precision = BACKENDS[trained.backend].precision(trained, precision, on_gpu=False)
    stage = kind.stage(trained, timelines, seconds, precision, options.uploads.max_pixels)
    limits = {"segment_seconds": options.guards.segment_seconds}
    if trained.is_stream:
        assert trained.clips.format.fps is not None  # as `step_seconds` has checked
        limits["max_grid_points"] = grid_points(options.uploads.max_duration, trained.clips.format.fps)
    stage = replace(stage, **limits)  # type: ignore[type-var]  # stages of timelines are dataclasses
    return _described(name, uri, "stream" if trained.is_stream else "clip", trained, name, timelines, seconds), stage


def _feature_model(
    name: str, uri: str, checkpoint: Checkpoint, stage: str, timelines: TimelineOptions
) -> ServedClassifier:
    trained = TrainedClassifier({uri: checkpoint})
    grid = step_grid(checkpoint.config.feature_fingerprint, timelines)
    kind = "frames" if trained.level == "frame" else "mean"
    return replace(_described(name, uri, kind, trained, stage, timelines, 1 / grid.hz), grid=grid)


def _described(
    name: str,
    uri: str,
    kind: str,
    trained: TrainedClassifier | TrainedClipClassifier,
    stage: str,
    timelines: TimelineOptions,
    seconds: Fraction,
) -> ServedClassifier:
    metrics = trained.config.metrics
    return ServedClassifier(
        name=name,
        kind=kind,
        trained=trained,
        stage=stage,
        step_seconds=seconds,
        form=timeline_form(trained, timelines, seconds),
        grid=None,
        accuracy=metrics.get("top_1_accuracy", metrics.get("hit_at_one")),
        confusions=_confusions(uri),
        report=_optional(uri, REPORT_FILE),
    )


def _optional(uri: str, name: str) -> bytes | None:
    try:
        return files.read_bytes(files.join(uri, name))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _confusions(uri: str) -> dict[str, tuple[tuple[str, float], ...]]:
    content = _optional(uri, RECORD_FILE)
    if content is None:
        return {}
    record = TrainingRecord.from_json(content.decode())
    names = [each.name for each in record.classes]
    found: dict[str, list[tuple[str, float]]] = {}
    for pair in next((split.confused for split in record.splits if split.name == VALIDATION), ()):
        found.setdefault(names[pair.true], []).append((names[pair.predicted], pair.share))
    return {name: tuple(sorted(pairs, key=lambda each: -each[1])[:MAX_CONFUSED]) for name, pairs in found.items()}


def _extractor(uri: str, checkpoint: Checkpoint, options: ServeOptions) -> tuple[SamplingConfig, VideoStage]:
    """The extractor that gives the features of the model's training data, and no others."""
    wanted = checkpoint.config.feature_fingerprint
    specs, problems = _weight_specs(uri, wanted, options), list[str]()
    weights, _ = get_weights(specs, problems, quiet=options.reporting.quiet) if not problems else ({}, {})
    if problems:
        raise InputError(*problems)
    seconds = wanted.get("sampling.max_seconds", WHOLE)
    fps = wanted.get("sampling.fps", "1")
    sampling = SamplingConfig(
        fps=fps,
        segment_seconds=options.guards.segment_seconds,
        frame_features=True,
        max_seconds=None if seconds == WHOLE else natural_number_of(seconds),
        max_pixels=options.uploads.max_pixels,
        max_grid_points=grid_points(options.uploads.max_duration, fps),
        sampling=wanted.get("sampling.mode", "exact"),
    )
    precision = wanted.get("frames.precision", "auto")
    sound = wanted.get("sound.precision") or resolve_audio_precision(precision, torch.device("cpu"))
    extractor, fingerprint = make_extractor(sampling, weights, precision, sound)
    if wanted:
        check_fingerprint(checkpoint.config, fingerprint, f"{uri}: the features that this release extracts")
    return sampling, extractor


def _weight_specs(uri: str, wanted: Mapping[str, str], options: ServeOptions) -> dict[Kind, str]:
    given = options.weights
    specs: dict[Kind, str] = {}
    problems = []
    for kind, part in PART_OF.items():
        option = OPTION_OF[part]
        spec = getattr(given, option) or (published_name(wanted[part]) if part in wanted else YOUTUBE_8M[kind])
        if spec is None:
            problems.append(
                f"{uri} takes features of weights {wanted[part]}, which are no published set: give --{spelled(option)}"
            )
        specs[kind] = cast(str, spec)
    if problems:
        raise InputError(*problems)
    return specs


def names_of(models: Mapping[str, ServedModel], wanted: Sequence[str]) -> tuple[str, ...]:
    """The models that a client asks for, all where it names none. Raises `InputError` for an unknown one."""
    unknown = [name for name in wanted if name not in models]
    if unknown:
        raise InputError(f"there is no model {unknown[0][:80]!r}; known: {', '.join(models)}")
    return tuple(dict.fromkeys(wanted)) or tuple(models)
