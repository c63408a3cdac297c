"""The plan of scoring videos: the videos, the worker that scores them, the label dataset and the one of embeddings.

Making it checks everything that can be wrong before any work is done. A video is looked at in a few clips
(`clip_scorer`), or all through for its timeline (`timeline_kinds`). Embeddings are features as
`jobs/extract_features.py` writes them, with the input of the network's head in `mean_rgb`, and no sound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa
from typing_extensions import override

from classifiers.inference.clip_base import ClipClassifier
from classifiers.model_options import parse_options
from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_videos import ManifestError, with_versions
from cluster.engines.stage import VideoStage
from cluster.engines.video_worker import VideoWorker
from cluster.runs.lifecycle import new_run_id
from cluster.scoring.backend_choice import chosen_backend
from cluster.scoring.backends import BACKENDS, Backend
from cluster.scoring.clip_scorer import ClipScorer
from cluster.scoring.config import ClipScoringOptions, ScoringOptions, ScoringSettings
from cluster.scoring.label_writer import LabelWriter
from cluster.scoring.plan import (
    ScoringPlan,
    label_dataset,
    label_fingerprint,
    label_writer,
    read_trained,
    timeline_form,
    unsubmittable,
    unwritable,
)
from cluster.scoring.timeline_kinds import TimelineKind, timeline_kind
from cluster.timelines.config import timeline_fingerprint
from extractors.clips.sampling import ClipSampling
from extractors.flow.fields import require_flow
from schemas.errors import InputError
from schemas.labels import LabelStamp
from schemas.videos import Video

# Raised whenever the same video would give other clips.
CLIPS_VERSION = "1"
# Parts of the fingerprint of embeddings, and the options that they follow from.
OPTION_OF = {
    "clips.weights": "--checkpoint",
    "clips.sampling.views": "--views",
    "clips.sampling.crops": "--crops",
    "clips.precision": "--precision",
    "clips.backend": "--backend",
    "clips.files": "--checkpoint",
}


@dataclass(frozen=True)
class ClipInputs:
    """Checkpoints and manifest of a run, read and verified.

    sampling  the clips of each video, unless a network watches all of it
    timeline  how it is looked at all through, in a run with timelines
    """

    settings: ScoringSettings
    started: datetime
    videos: Sequence[Video]
    trained: ClipClassifier
    sampling: ClipSampling | None
    timeline: TimelineSteps | None

    @property
    def runs_on_gpus(self) -> bool:
        """Whether the network is on GPUs where there are any."""
        can_pool = self.timeline is None or self.timeline.kind.runs_on_gpus
        return can_pool and self.backend.runs_on_gpus

    @property
    def backend(self) -> Backend:
        """What runs the network."""
        return BACKENDS[self.trained.backend]


@dataclass(frozen=True)
class TimelineSteps:
    """The kind of the timelines, and the length of their steps."""

    kind: TimelineKind
    seconds: Fraction


@dataclass(frozen=True, kw_only=True)
class ClipPlan(ScoringPlan):
    """A run that can start. `embeddings` is the dataset that takes the network's features, if any does."""

    inputs: ClipInputs
    worker: VideoWorker[Any]
    writer: LabelWriter
    clips: Mapping[str, str]
    embeddings: FeatureDataset | None

    @property
    @override
    def classifier(self) -> ClipClassifier:
        return self.inputs.trained

    @property
    @override
    def fingerprint(self) -> Mapping[str, str]:
        return self.clips

    @property
    @override
    def videos(self) -> int:
        return len(self.inputs.videos)


def read_clip_inputs(settings: ScoringSettings, videos: Sequence[Video] | None = None) -> ClipInputs:
    """Read checkpoints and manifest, whose `videos` another part of a job may have read already.

    Raises `InputError` with everything that is wrong.
    """
    started = datetime.now(UTC)
    options = settings.options
    problems: list[str] = []
    backend = BACKENDS[chosen_backend(options.checkpoint, options.clips.backend)]
    trained = read_trained(backend.read, backend.classifier, options, problems)
    sampling: ClipSampling | None = None
    timeline: TimelineSteps | None = None
    if trained is not None:
        try:
            require_flow(trained.clips.format.flow)
            if options.timelines.timeline:
                kind = timeline_kind(trained)
                timeline = TimelineSteps(kind, kind.step_seconds(trained, options.timelines))
                sampling = kind.sampling(trained)
                timeline_form(trained, options.timelines, timeline.seconds)  # must be possible
            else:
                sampling = _sampling_of(trained, options.clips)
        except (ValueError, ImportError) as error:
            problems.append(str(error))
    if options.clips.embeddings is not None and len(options.checkpoint) > 1:
        problems.append("embeddings are those of one network: give one checkpoint with --embeddings, not several")
    found = _read_videos(options, problems) if videos is None else videos
    if options.submission is not None:
        problems += unsubmittable(pa.chunked_array([[video.id for video in found]], pa.string()))
    problems += unwritable(options)
    if problems or trained is None:
        raise InputError(*problems)
    versioned = videos or with_versions(found, options.policy)
    return ClipInputs(settings, started, versioned, trained, sampling, timeline)


def is_same_anywhere(inputs: ClipInputs) -> bool:
    """Whether the precision comes to the same on CPUs and on GPUs, so that labels do not depend on their place."""
    try:
        return _resolved(inputs, on_gpu=False) == _resolved(inputs, on_gpu=True)
    except InputError:
        return False


def make_clip_plan(inputs: ClipInputs, *, on_gpu: bool) -> ClipPlan:
    """Join inputs and datasets; `on_gpu` is where the network runs.

    Raises `InputError` for a precision that the machine lacks, and for a dataset that cannot take the embeddings.
    """
    settings, trained = inputs.settings, inputs.trained
    options, embeddings = settings.options, settings.options.clips.embeddings
    precision = _resolved(inputs, on_gpu=on_gpu and inputs.runs_on_gpus)
    sampling = {} if inputs.sampling is None else {"clips.sampling": _json(asdict(inputs.sampling))}
    clips = {
        "clips.model": trained.config.model,
        "clips.weights": trained.config.weights_sha256,
        "clips.format": _json(trained.clips.format.identity()),
        **sampling,
        "clips.precision": precision,
        "clips.version": CLIPS_VERSION,
        **trained.fingerprint,
    }
    run_id = new_run_id(inputs.started)
    fingerprint = {**label_fingerprint(trained, options.scores), **clips, **_timeline_fingerprint(inputs)}
    dataset = label_dataset(settings, run_id, fingerprint)
    stage = _stage(inputs, precision)
    return ClipPlan(
        settings=settings,
        run_id=run_id,
        started=inputs.started,
        label_fingerprint=fingerprint,
        dataset=dataset,
        inputs=inputs,
        worker=VideoWorker(stage, options.engine.memory_limit_mib << 20, options.engine.time_limit, options.policy),
        writer=label_writer(trained, options, dataset, LabelStamp(trained.name, run_id, inputs.started)),
        clips=clips,
        embeddings=None if embeddings is None else _embeddings(embeddings, run_id, trained, clips),
    )


def _stage(inputs: ClipInputs, precision: str) -> VideoStage:
    """What is done with each video."""
    trained, options = inputs.trained, inputs.settings.options
    if inputs.timeline is not None:
        kind, seconds = inputs.timeline.kind, inputs.timeline.seconds
        return kind.stage(trained, options.timelines, seconds, precision, options.clips.max_pixels)
    assert inputs.sampling is not None
    return ClipScorer(
        network=inputs.backend.clip_network(trained, precision),
        views=trained.views,
        clip_format=trained.clips.format,
        sampling=inputs.sampling,
        top_k=options.scores.top_k,
        with_embedding=options.clips.embeddings is not None,
        max_pixels=options.clips.max_pixels,
    )


def _timeline_fingerprint(inputs: ClipInputs) -> dict[str, str]:
    if inputs.timeline is None:
        return {}
    return timeline_fingerprint(inputs.timeline.kind.name, inputs.timeline.seconds, inputs.settings.options.timelines)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _read_videos(options: ScoringOptions, problems: list[str]) -> list[Video]:
    try:
        return read_videos(options.videos or "", options.folders.exclude, options.policy)
    except ManifestError as error:
        problems.append(str(error))
        return []


def _resolved(inputs: ClipInputs, *, on_gpu: bool) -> str:
    try:
        return inputs.backend.precision(inputs.trained, inputs.settings.options.clips.precision, on_gpu=on_gpu)
    except ValueError as error:
        raise InputError(str(error)) from error


def _sampling_of(trained: ClipClassifier, options: ClipScoringOptions) -> ClipSampling:
    """The sampling of the checkpoint, with the values that options replace."""
    stored = parse_options(ClipSampling(), trained.clips.sampling, "the sampling that the checkpoint names")
    if stored.placement == "random":
        raise ValueError("the checkpoint looks at random clips, and labels must not depend on chance")
    return replace(stored, views=options.views or stored.views, crops=options.crops or stored.crops)


def _embeddings(root: str, run_id: str, trained: ClipClassifier, clips: Mapping[str, str]) -> FeatureDataset:
    dataset = FeatureDataset(
        root,
        run_id=run_id,
        rgb_dim=trained.views.feature_dim,
        frame_features=False,
        fingerprint=clips,
        option_of=OPTION_OF,
    )
    dataset.check()
    return dataset
