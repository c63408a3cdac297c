"""What the plans of both label sources share, and the checks of checkpoints and outputs that they make."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import TypeVar

import pyarrow as pa

from classifiers.choices import is_published
from classifiers.inference.base import Classifier, Trained
from classifiers.inference.timelines import TimelineForm
from classifiers.weights.checkpoint import (
    CLIP,
    CONFIG_FILE,
    HISTORY_FILE,
    LIP,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointConfig,
    CheckpointError,
    read_checkpoint,
    read_config,
)
from classifiers.weights.published_frames import read_published_frames
from cluster.datasets.label_dataset import LabelDataset
from cluster.scoring.backend_choice import is_exported
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS, ScoreOptions, ScoringOptions, ScoringSettings
from cluster.scoring.label_writer import LabelWriter
from cluster.storage import files
from cluster.storage.download import open_uri
from cluster.timelines.config import TimelineOptions
from cluster.timelines.sensitive import counting_places, label_config
from extractors.weights.content import WeightsError
from schemas.errors import InputError, examples
from schemas.labels import LabelStamp, unsubmittable_ids

ReadT = TypeVar("ReadT", bound=Trained)
ClassifierT = TypeVar("ClassifierT", bound=Classifier)


@dataclass(frozen=True, kw_only=True)
class ScoringPlan(ABC):
    """A scoring run that can start: all that is known and checked before any work is done.

    label_fingerprint  what makes labels comparable; labels of another fingerprint are out of date
    """

    settings: ScoringSettings
    run_id: str
    started: datetime
    label_fingerprint: Mapping[str, str]
    dataset: LabelDataset

    @property
    @abstractmethod
    def classifier(self) -> Classifier:
        """The classifier that labels."""

    @property
    def classes(self) -> CheckpointConfig:
        """The configuration of the classifier, with the classes of the labels."""
        return label_classes(self.classifier, self.settings.options.timelines)

    @property
    @abstractmethod
    def fingerprint(self) -> Mapping[str, str]:
        """The fingerprint of the features or clips that it takes."""

    @property
    @abstractmethod
    def videos(self) -> int:
        """The number of videos, whether labelled or not."""


def read_trained(
    read: Callable[[str], ReadT],
    kind: Callable[[Mapping[str, ReadT]], ClassifierT],
    options: ScoringOptions,
    problems: list[str],
) -> ClassifierT | None:
    """The classifier of the checkpoints, each read by `read`; None, and more `problems`, if they cannot be used."""
    checkpoints: dict[str, ReadT] = {}
    for uri in options.checkpoint:
        try:
            checkpoints[uri] = read(uri)
        except (CheckpointError, InputError, OSError) as error:
            problems.append(str(error))
            continue
        config = checkpoints[uri].config
        level = config.level
        if level == LIP:
            problems.append(f"{uri}: model {config.model!r} takes {config.takes}: it labels no videos")
        elif (level == CLIP) != (options.kind == OF_VIDEOS):
            takes, which = ("clips of videos", OF_VIDEOS) if level == CLIP else ("features", OF_FEATURES)
            problems.append(f"{uri}: model {config.model!r} takes {takes}: give --{which} in place of --{options.kind}")
    if problems:
        return None
    try:
        return kind(checkpoints)
    except CheckpointError as error:
        problems.append(str(error))
        return None


def kind_of(checkpoints: Sequence[str]) -> str | None:
    """Whether classifiers label features or videos; None where that cannot be read, as `read_trained` reports.

    Raises:
        InputError: for some of each.
    """
    by_kind: dict[str, list[str]] = {}
    for uri in checkpoints:
        if is_exported(uri) or is_published(uri):
            by_kind.setdefault(OF_VIDEOS, []).append(uri)
            continue
        try:
            config = read_config(files.read_bytes(files.join(uri, CONFIG_FILE)), uri)
        except (CheckpointError, InputError, OSError):
            return None
        by_kind.setdefault(OF_VIDEOS if config.level == CLIP else OF_FEATURES, []).append(uri)
    if len(by_kind) > 1:
        raise InputError(
            "classifiers whose probabilities are averaged are all of clips or all of features: of clips are "
            f"{', '.join(by_kind[OF_VIDEOS])}; of features {', '.join(by_kind[OF_FEATURES])}"
        )
    return next(iter(by_kind))


def read_checkpoint_at(uri: str) -> Checkpoint:
    """The checkpoint in a folder, on disk or in a bucket, or a published one by its name or file.

    Raises `CheckpointError` or `InputError` where there is none.
    """
    if is_published(uri):
        try:
            return read_published_frames(uri, open_uri)
        except WeightsError as error:
            raise InputError(str(error)) from error
    contents: dict[str, bytes] = {}
    for name in (WEIGHTS_FILE, CONFIG_FILE, HISTORY_FILE):
        try:
            contents[name] = files.read_bytes(files.join(uri, name))
        except (FileNotFoundError, NotADirectoryError):
            continue  # `read_checkpoint` reports a file that is required
    return read_checkpoint(contents, uri)


def label_fingerprint(classifier: Classifier, options: ScoreOptions) -> dict[str, str]:
    """What makes labels comparable, whatever they are made of; labels of another fingerprint are out of date."""
    classes = json.dumps([classifier.config.class_indices, classifier.config.class_names])
    return {
        "models": " ".join(f"{one.model}:{one.weights_sha256}" for one in classifier.configs),
        "temperatures": " ".join(repr(one.temperature) for one in classifier.configs),
        "task": classifier.config.task,
        "classes": hashlib.sha256(classes.encode()).hexdigest(),
        "top_k": str(options.top_k),
        "threshold": repr(options.threshold),
    }


def label_dataset(settings: ScoringSettings, run_id: str, fingerprint: Mapping[str, str]) -> LabelDataset:
    """The dataset that takes the labels of a run."""
    return LabelDataset(settings.options.labels, date=settings.date, run_id=run_id, label_fingerprint=fingerprint)


def label_writer(
    classifier: Classifier, options: ScoringOptions, dataset: LabelDataset, stamp: LabelStamp
) -> LabelWriter:
    """The writer of a run's label shards."""
    return LabelWriter(
        config=label_classes(classifier, options.timelines),
        threshold=options.scores.threshold,
        stamp=stamp,
        metadata=dataset.metadata,
        rules=options.timelines.event_rules() if options.timelines.timeline else None,
        is_sensitive=options.timelines.sensitive,
    )


def label_classes(classifier: Classifier, options: TimelineOptions) -> CheckpointConfig:
    """The configuration of a classifier, with the classes of the labels that a run with these options writes."""
    return label_config(classifier.config) if options.sensitive else classifier.config


def timeline_form(classifier: Classifier, options: TimelineOptions, step_seconds: Fraction) -> TimelineForm:
    """What the timelines of a run with these steps hold. Raises `ValueError` for classes that cannot be sensitive."""
    return TimelineForm(
        step_seconds=float(step_seconds),
        top_k=options.timeline_top_k,
        strong_score=options.event_rules().end_threshold,
        is_single_label=classifier.is_single_label,
        sensitive=counting_places(classifier, options.sensitive_class or ()) if options.sensitive else (),
    )


def unwritable(options: ScoringOptions) -> list[str]:
    """Problems with outputs that cannot be written to."""
    problems = []
    timelines = options.timelines
    outputs = (options.labels, options.submission, options.clips.embeddings, timelines.vtt, timelines.events_csv)
    for uri in filter(None, outputs):
        try:
            files.check_writable(uri)
        except files.StorageError as error:
            problems.append(str(error))
    return problems


def unsubmittable(ids: pa.ChunkedArray) -> list[str]:
    """Problems with ids that a submission cannot hold."""
    wrong = unsubmittable_ids(ids)
    if not wrong:
        return []
    return [f"{len(wrong)} ids hold a comma, a quote or a line's end, which a submission cannot: {examples(wrong)}"]
