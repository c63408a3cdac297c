"""Clips as training data: which videos of a manifest belong to training, validation and test, and what they teach.

In: the options. Out: `ClipData`. No video is opened for it.

Every video is in one part at most: the manifest's column `split` says in which, or each class is shared out by a hash
of ids (`cluster.datasets.grouped_splits`). In a folder without a manifest, a video's class is the folder that it lies
in (`cluster.datasets.public_datasets.folders`).
"""

from __future__ import annotations

import hashlib
import logging
import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from classifiers.clip_models.registry import build_clip_model
from classifiers.data.batches import Worker
from classifiers.data.class_choice import ClassChoice, ClassChoiceError, LabelLists, choose_classes
from classifiers.data.clip_augmentation import ClipAugmentation, ClipAugmentationConfig
from classifiers.data.splits import split_by_column
from classifiers.training.phases import train_stages
from cluster.datasets.grouped_splits import Listed, with_splits
from cluster.datasets.manifest import READERS, read_videos
from cluster.datasets.public_datasets import Place, folders
from cluster.datasets.vocabulary import VOCABULARY_FILE, ClassNamesError, Vocabulary, read_class_names
from cluster.storage import files
from cluster.training.clip_feed import ClipFeed
from cluster.training.clip_source import ClipReading
from cluster.training.config import COLUMN, HASH, ClassifierTrainingConfig
from cluster.training.data import ModelInput, TrainingData
from cluster.training.initial_weights import InitialWeights
from cluster.training.splits import PARTS, Part, Split, share_out, targeted
from schemas.clips import BYTES, ClipInput
from schemas.errors import EXAMPLES, InputError, examples
from schemas.trainings import TRAINING, LostVideo
from schemas.videos import Video

FEWEST_VIDEOS = 2  # of a class: one to learn from, and one to see whether it was learnt

logger = logging.getLogger("framemill")


class ClipDataError(InputError):
    """Videos that cannot be trained on; the message says why and what to do."""


@dataclass(frozen=True)
class ClipData(TrainingData):
    """Videos, all of the manifest, and their labels; a split's rows are places among them."""

    videos: Sequence[Video]
    labels: LabelLists

    @property
    def input(self) -> ModelInput:
        """See `TrainingData`."""
        options = self.config.clip_options()
        return ModelInput(clips=ClipInput(format=options.format, sampling=asdict(options.scoring)))

    def labels_of(self, row: int) -> tuple[int, ...]:
        """The labels of a video."""
        first, stop = self.labels.offsets[row : row + 2]
        return tuple(self.labels.values[first:stop].tolist())

    @property
    def reading(self) -> ClipReading:
        """How clips are decoded."""
        options = self.config.clip_options()
        return ClipReading(
            format=options.format,
            sampling=options.sampling,
            steady=options.steady,
            memory_bytes=self.config.memory_limit_mib << 20,
            time_seconds=self.config.time_limit,
        )

    @property
    def is_repeatable(self) -> bool:
        """See `TrainingData`."""
        return self.config.clip_options().is_repeatable

    def changes(self) -> nn.Module | None:
        """See `TrainingData`."""
        config = self.config.clip_options().augmentation
        return None if config == ClipAugmentationConfig() else ClipAugmentation(config)

    def build_model(self) -> nn.Module:
        """See `TrainingData`."""
        config = self.config
        model = build_clip_model(config.model, num_classes=len(self.choice), options=asdict(config.model_config()))
        if config.init_weights is not None:
            InitialWeights(config.init_weights, config.init_head).fill(model, config.model, self.choice.names)
        model.recompute = config.recompute
        return model

    def feed(self, worker: Worker) -> ClipFeed:
        """See `TrainingData`."""
        return ClipFeed(self, worker)

    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        """See `TrainingData`."""
        return {video.id: video.uri for video in self.videos if video.id in ids}

    def without(self, lost: Sequence[LostVideo]) -> ClipData:
        """See `TrainingData`."""
        if not lost:
            return self
        most = self.config.max_failure_ratio
        if len(lost) > most * len(self.videos):
            lines = [f"  - {video.id}: {video.message}" for video in lost[:EXAMPLES]]
            lines += [f"  - and {len(lost) - EXAMPLES} more"] if len(lost) > EXAMPLES else []
            raise ClipDataError(
                f"{len(lost)} of {len(self.videos)} videos cannot be decoded, more than --max-failure-ratio {most:g} "
                "allows:\n" + "\n".join(lines)
            )
        gone = {video.id for video in lost}
        kept = np.array([video.id not in gone for video in self.videos])
        return replace(self, splits=_splits(self.config, self.videos, self.labels, self.choice, kept))

    def identity(self) -> Mapping[str, Any]:
        """See `TrainingData`."""
        told = "\n".join(f"{video.id}\t{video.start_seconds}\t{video.end_seconds}" for video in self.videos)
        return {**super().identity(), "data.videos": hashlib.sha256(told.encode()).hexdigest()}


def load(config: ClassifierTrainingConfig) -> ClipData:
    """See `training_data.load_training_data`."""
    assert config.videos is not None
    listed = _read(config.videos)
    if config.split is None:
        config = replace(config, split=COLUMN if any(entry.video.split for entry in listed) else HASH)
    videos = SPLITTERS[config.split](config, listed)
    unlabelled = [video.id for video in videos if not video.labels]
    if len(unlabelled) == len(videos):
        raise ClipDataError(
            f"{config.videos}: no video has a label; they stand in the column labels (jobs/make_manifest.py makes "
            "manifests of public data sets)"
        )
    if unlabelled:
        logger.warning(
            f"{len(unlabelled)} of {len(videos)} videos have no label, and are left out: {examples(unlabelled)}"
        )
    labels, names = _labels(config, videos)
    choice = choose_classes(config.classes, names)
    splits = _splits(config, videos, labels, choice, np.ones(len(videos), bool))
    data = ClipData(config, choice, splits, videos, labels)
    _check_model(data)
    if config.init_weights is None and _has_raw_pixels(data.input):
        logger.warning(
            f"{config.model} is trained from scratch on pixels as they are, 0 to 255, which its published weights want "
            "and drawn ones hardly learn from: give --init-weights, or --model-options pixels=signed"
        )
    return data


def _read(source: str) -> Sequence[Listed]:
    """The videos of a manifest; or of a folder, where each is of the class whose folder it is in."""
    if _is_manifest(source):
        return [Listed(video, video.id) for video in read_videos(source)]
    return folders(Place(source, "", 1)).listed


def _is_manifest(source: str) -> bool:
    return posixpath.splitext(source)[1].lower() in READERS


def _labels(config: ClassifierTrainingConfig, videos: Sequence[Video]) -> tuple[LabelLists, tuple[str, ...] | None]:
    """Labels as indices, and the names of the classes where they are known."""
    uri = config.vocabulary
    if uri is None and config.videos is not None and _is_manifest(config.videos):
        beside = files.join(posixpath.dirname(config.videos), VOCABULARY_FILE)
        uri = beside if files.exists(beside) else None
    names = None if uri is None else read_class_names(uri)
    vocabulary = Vocabulary(names or ())
    if vocabulary.add(videos) and names is not None:
        new = vocabulary.names[len(names) :]
        raise ClassNamesError(f"{uri} does not name all labels of the videos: {examples(new)}")
    lists = [vocabulary.indices(video) for video in videos]
    values = np.array([index for indices in lists for index in indices], np.int64)
    if names is not None and values.max(initial=-1) >= len(names):
        raise ClassNamesError(f"{uri} names {len(names)} classes, but the labels go up to class {values.max()}")
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return LabelLists(offsets, values), tuple(vocabulary.names) or None


def _splits(
    config: ClassifierTrainingConfig,
    videos: Sequence[Video],
    labels: LabelLists,
    choice: ClassChoice,
    kept: NDArray[np.bool_],
) -> Mapping[str, Split]:
    """The parts of the `kept` videos."""
    ids = [video.id for video in videos]
    masks = {name: mask & kept for name, mask in split_by_column([video.split for video in videos]).items()}
    _check_classes(Part(ids, labels, np.any(list(masks.values()), axis=0)), config, choice)
    return share_out({PARTS[name]: Part(ids, labels, mask) for name, mask in masks.items()}, config, choice)


def _check_classes(everything: Part, config: ClassifierTrainingConfig, choice: ClassChoice) -> None:
    counts = targeted({TRAINING: everything}, config.task, choice)[TRAINING].counts()
    few = [f"{choice.names[place]} ({counts[place]})" for place in np.flatnonzero(counts < FEWEST_VIDEOS)]
    if few:
        raise ClassChoiceError(
            f"too few videos of {', '.join(few)}: each class needs {FEWEST_VIDEOS} or more, one to learn from and one "
            "to see whether it was learnt. Bring more of them, or leave the class out by --classes"
        )


def _by_hash(config: ClassifierTrainingConfig, listed: Sequence[Listed]) -> Sequence[Video]:
    """Each class by the wanted fractions, whatever the manifest says."""
    wanted = config.hash_split()
    anew = [replace(entry, video=replace(entry.video, split="")) for entry in listed]
    learnt_from = wanted.train + wanted.validation
    validation = wanted.validation / learnt_from if learnt_from else 0.0
    return with_splits(anew, validation=validation, test=wanted.test, seed=wanted.seed)


def _by_column(config: ClassifierTrainingConfig, listed: Sequence[Listed]) -> Sequence[Video]:
    """As the manifest says."""
    if not any(entry.video.split for entry in listed):
        raise ClipDataError(f"--split column: {config.videos} says of no video to which part it belongs")
    return [entry.video for entry in listed]


SPLITTERS: Mapping[str, Callable[[ClassifierTrainingConfig, Sequence[Listed]], Sequence[Video]]] = {
    HASH: _by_hash,
    COLUMN: _by_column,
}


def _has_raw_pixels(given: ModelInput) -> bool:
    assert given.clips is not None
    return given.clips.format.std == BYTES["std"]


def _check_model(data: ClipData) -> None:
    """Build it once before workers do, so that what is wrong with it is told at once."""
    model = data.build_model()
    for phase in data.config.phase_options():
        try:
            train_stages(model, phase.stages)
        except ValueError as error:
            raise ClipDataError(str(error)) from error
