"""Clips as training data: the videos of a manifest, split into training, validation and test, with their labels.

In: the options. Out: `ClipData`. No video is opened.

Every video is in at most one split: by the manifest's column `split`, or by a hash of ids within each class
(`cluster.datasets.grouped_splits`). In a folder without a manifest, a video's class is its parent folder
(`cluster.datasets.public_datasets.folders`).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from typing_extensions import override

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.data.augmentation_config import ClipAugmentationConfig
from classifiers.data.batches import Worker
from classifiers.data.class_choice import ClassChoice, ClassChoiceError, LabelLists
from classifiers.data.clip_augmentation import ClipAugmentation
from classifiers.data.splits import split_by_column
from classifiers.metrics.group_accuracy import VideoGroups
from classifiers.training.phases import train_stages
from cluster.datasets.clip_dataset import DatasetLocation
from cluster.datasets.grouped_splits import GroupedVideo, with_splits
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_rows import is_manifest
from cluster.datasets.public_datasets import folders
from cluster.training.clip_feed import ClipFeed
from cluster.training.clip_source import ClipReading
from cluster.training.config import TrainingOptions, TrainingSettings
from cluster.training.data import ModelInput, TrainingData
from cluster.training.initial_weights import InitialWeights
from cluster.training.manifest_labels import (
    ManifestLabels,
    labels_of,
    read_manifest_labels,
    vocabulary_beside,
)
from cluster.training.option_groups import COLUMN, HASH
from cluster.training.splits import Candidates, Split, choose, make_splits, with_targets
from schemas.clips import BYTES, ClipInput
from schemas.commands import job
from schemas.errors import EXAMPLES, InputError, examples
from schemas.trainings import TRAINING, LostVideo
from schemas.videos import Video

MIN_CLASS_VIDEOS = 2  # one for training, and one for evaluation

logger = logging.getLogger("framemill")


class ClipDataError(InputError):
    """Videos that cannot be used for training; the message says why and what to do."""


@dataclass(frozen=True)
class ClipData(TrainingData):
    """All videos of the manifest, and their labels; the rows of splits are positions among them.

    `split` is the way of splitting: by a hash, or by the manifest's column.
    """

    split: str
    videos: Sequence[Video]
    labels: LabelLists

    @property
    @override
    def input(self) -> ModelInput:
        clips = self.settings.clips()
        return ModelInput(clips=ClipInput(format=clips.format, sampling=asdict(clips.scoring)))

    @property
    def reading(self) -> ClipReading:
        """How clips are decoded."""
        clips, engine = self.settings.clips(), self.settings.options.engine
        return ClipReading(
            format=clips.format,
            sampling=clips.sampling,
            deterministic=clips.steady,
            memory_bytes=engine.memory_limit_mib << 20,
            time_seconds=engine.time_limit,
            policy=self.settings.options.policy,
        )

    @property
    @override
    def is_repeatable(self) -> bool:
        return self.settings.clips().is_repeatable

    @override
    def augmentation(self) -> nn.Module | None:
        config = self.settings.clips().augmentation
        return None if config == ClipAugmentationConfig() else ClipAugmentation(config)

    @override
    def build_model(self) -> nn.Module:
        model, _ = self.started_model()
        return model

    def started_model(self) -> tuple[ClipModel, tuple[str, ...]]:
        """The model to train, and the keys that its initial weights leave out (`InitialWeights`)."""
        options = self.settings.options.model
        left_out: tuple[str, ...] = ()
        model = build_clip_model(options.model, num_classes=len(self.choice), options=asdict(options.config()))
        if options.init_weights is not None:
            weights = InitialWeights(options.init_weights, options.init_head)
            left_out = weights.fill(model, options.model, self.choice.names)
        model.recompute = self.settings.options.engine.recompute
        return model, left_out

    @override
    def feed(self, worker: Worker) -> ClipFeed:
        return ClipFeed(
            self.videos,
            self.labels,
            self._usable(),
            reading=self.reading,
            worker=worker,
            decoders=self.settings.options.engine.decoders or worker.threads,
            cache=self.settings.options.clips.clip_cache,
        )

    def _usable(self) -> NDArray[np.bool_]:
        """The videos that may be in a split: balancing takes another one for each that is lost."""
        splits = self.splits
        if self.settings.options.classes.balance:
            options = self.settings.options.with_values(balance=False)
            everything = np.ones(len(self.videos), bool)
            splits = _splits(options, self.split, self.videos, self.labels, self.choice, everything)
        used: NDArray[np.bool_] = np.logical_or.reduce([split.rows for split in splits.values()])
        return used

    @override
    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        return {video.id: video.uri for video in self.videos if video.id in ids}

    @override
    def groups(self) -> VideoGroups:
        return groups_of(self.videos, self.splits)

    @override
    def without(self, lost: Sequence[LostVideo]) -> ClipData:
        if not lost:
            return self
        check_losses(lost, len(self.videos), self.settings.options.clips.max_failure_ratio)
        lost_ids = {video.id for video in lost}
        kept = np.array([video.id not in lost_ids for video in self.videos])
        return replace(
            self, splits=_splits(self.settings.options, self.split, self.videos, self.labels, self.choice, kept)
        )

    @override
    def identity(self) -> Mapping[str, Any]:
        lines = "\n".join(f"{video.id}\t{video.start_seconds}\t{video.end_seconds}" for video in self.videos)
        return {**super().identity(), "data.videos": hashlib.sha256(lines.encode()).hexdigest()}


def groups_of(videos: Sequence[Video], splits: Mapping[str, Split]) -> VideoGroups:
    """The groups of videos, of which those of the training split are trained on."""
    trained = np.flatnonzero(splits[TRAINING].rows).tolist()
    return VideoGroups(
        of={video.id: video.group for video in videos if video.group},
        training_videos=Counter(videos[row].group for row in trained),
    )


def check_losses(lost: Sequence[LostVideo], videos: int, most: float) -> None:
    """Raise `ClipDataError` where more than the fraction `most` of the videos is lost."""
    if len(lost) > most * videos:
        lines = [f"  - {video.id!r}: {video.message}" for video in lost[:EXAMPLES]]
        lines += [f"  - and {len(lost) - EXAMPLES} more"] if len(lost) > EXAMPLES else []
        raise ClipDataError(
            f"{len(lost)} of {videos} videos cannot be used, more than --max-failure-ratio {most:g} allows:\n"
            + "\n".join(lines)
        )


def load(settings: TrainingSettings) -> ClipData:
    """The clips that the options name (`cluster.training.kinds.load_training_data`)."""
    options = settings.options
    joined = _joined(options)
    listed = _read(options, joined)
    split = settings.split(has_column=any(entry.video.split for entry in listed))
    videos = SPLITTERS[split](options, listed)
    unlabelled = [video.id for video in videos if not video.labels]
    if len(unlabelled) == len(videos):
        if joined is not None:
            raise joined.unmatched(unlabelled, options.videos or "")
        raise ClipDataError(
            f"{options.videos}: no video has a label in column labels ({job('make_manifest')} makes manifests of "
            "public data sets, and --labels takes one with labels)"
        )
    if unlabelled:
        logger.warning(
            f"{len(unlabelled)} of {len(videos)} videos have no label and are left out: {examples(unlabelled)}"
        )
    named = joined or _named(options, videos)
    ids = [video.id for video in videos]
    labels = named.labels(ids)
    everything = Candidates(ids, labels, np.ones(len(videos), bool))
    choice = choose(options, named.names, [everything])
    splits = _splits(options, split, videos, labels, choice, np.ones(len(videos), bool))
    data = ClipData(settings, choice, splits, split, videos, labels)
    _check_model(data)
    if options.model.init_weights is None and _has_raw_pixels(data.input):
        logger.warning(
            f"{options.model.model} is trained from scratch on pixels from 0 to 255, which suit its published weights "
            "but not random ones: give --init-weights, or --model-options pixels=signed"
        )
    return data


def _joined(options: TrainingOptions) -> ManifestLabels | None:
    """The labels of the manifest that replace those of the videos, if there is one."""
    manifest = options.classes.labels
    return None if manifest is None else read_manifest_labels(manifest, (), options.classes.vocabulary)


def _read(options: TrainingOptions, joined: ManifestLabels | None) -> Sequence[GroupedVideo]:
    """The videos of a manifest, or of a folder; without `joined`, each class has a folder there."""
    source, exclude, policy = options.videos or "", options.folders.exclude, options.policy
    if joined is None and not is_manifest(source):
        return folders(DatasetLocation(source, exclude=exclude, policy=policy)).listed
    videos = read_videos(source, exclude, policy)
    if joined is not None:
        videos = [_with_labels(video, joined) for video in videos]
    return [GroupedVideo(video, video.group or video.id) for video in videos]


def _with_labels(video: Video, joined: ManifestLabels) -> Video:
    found = joined.videos.get(video.id)
    if found is None:
        return replace(video, labels=(), split="")
    return replace(video, labels=found.labels, split=found.split if joined.has_splits else video.split)


def _named(options: TrainingOptions, videos: Sequence[Video]) -> ManifestLabels:
    """The labels of the videos with the names of their classes."""
    source, vocabulary = options.videos or "", options.classes.vocabulary
    if vocabulary is None and is_manifest(source):
        vocabulary = vocabulary_beside(source)
    return labels_of(videos, source, vocabulary)


def _splits(
    options: TrainingOptions,
    split: str,
    videos: Sequence[Video],
    labels: LabelLists,
    choice: ClassChoice,
    kept: NDArray[np.bool_],
) -> Mapping[str, Split]:
    """The splits of the `kept` videos."""
    ids = [video.id for video in videos]
    masks = {name: mask & kept for name, mask in split_by_column([video.split for video in videos]).items()}
    _check_classes(Candidates(ids, labels, np.any(list(masks.values()), axis=0)), options, choice)
    candidates = {name: Candidates(ids, labels, mask) for name, mask in masks.items()}
    return make_splits(candidates, options, split, choice)


def _check_classes(everything: Candidates, options: TrainingOptions, choice: ClassChoice) -> None:
    counts = with_targets({TRAINING: everything}, options.classes.task, choice)[TRAINING].counts()
    few = [f"{choice.names[place]} ({counts[place]})" for place in np.flatnonzero(counts < MIN_CLASS_VIDEOS)]
    if few:
        raise ClassChoiceError(
            f"too few videos of {', '.join(few)}: each class needs {MIN_CLASS_VIDEOS} or more, for training and for "
            "evaluation. Add videos, or leave the class out with --classes"
        )


def _by_hash(options: TrainingOptions, listed: Sequence[GroupedVideo]) -> Sequence[Video]:
    """Split each class by the fractions, ignoring the manifest's splits."""
    fractions = options.splits.hash_split()
    unsplit = [replace(entry, video=replace(entry.video, split="")) for entry in listed]
    not_test = fractions.training + fractions.validation
    validation = fractions.validation / not_test if not_test else 0.0
    return with_splits(unsplit, validation=validation, test=fractions.test, seed=fractions.seed)


def _by_column(options: TrainingOptions, listed: Sequence[GroupedVideo]) -> Sequence[Video]:
    """Split by the manifest."""
    if not any(entry.video.split for entry in listed):
        raise ClipDataError(
            f"--split column: {options.videos} gives no video a split; fill in its column split, or give --split hash"
        )
    return [entry.video for entry in listed]


SPLITTERS: Mapping[str, Callable[[TrainingOptions, Sequence[GroupedVideo]], Sequence[Video]]] = {
    HASH: _by_hash,
    COLUMN: _by_column,
}


def _has_raw_pixels(given: ModelInput) -> bool:
    assert given.clips is not None
    return bool(given.clips.format.std == BYTES["std"])


def _check_model(data: ClipData) -> None:
    """Build the model before workers do, to report its problems at once."""
    model, left_out = data.started_model()
    if left_out:
        logger.warning(
            f"--init-weights are of the base network of {data.settings.options.model.model}: {len(left_out)} tensors, "
            f"which it lacks or has in another shape, start anew: {examples(left_out)}"
        )
    for phase in data.settings.phases:
        try:
            train_stages(model, phase.stages)
        except ValueError as error:
            raise ClipDataError(str(error)) from error
