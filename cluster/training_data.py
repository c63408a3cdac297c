"""What a classifier is trained on: features and labels, the classes that were chosen, and the parts of the videos.

In: the options. Out: `TrainingData`: for training, validation and test, which rows of which files, and their targets.
Nothing is read of the features themselves but their widths; targets are arrays, 9 bytes a video.

Every video is in one part at most: a hash of its id, a column of the shards or the folder it lies in says in which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.class_choice import (
    ClassChoice,
    LabelLists,
    Targets,
    balance,
    check_classes_have_videos,
    choose_classes,
    multi_label_targets,
    single_label_targets,
)
from classifiers.losses import SINGLE_LABEL
from classifiers.splits import check_disjoint, check_not_empty, hash_ids, split_by_column, split_by_hash
from cluster import storage
from cluster.class_names import ClassNamesError, read_class_names
from cluster.feature_columns import read_column, read_index
from cluster.feature_files import FeatureFileError, FeatureFiles, open_features
from cluster.feature_source import FeatureSource, SourceConfig
from cluster.training_config import COLUMN, FOLDERS, HASH, ClassifierTrainingConfig
from schemas.trainings import SPLITS, TEST, TRAINING, VALIDATION

VOCABULARY = "vocabulary.csv"
# What `classifiers.splits` calls the parts.
PARTS = {"train": TRAINING, "validation": VALIDATION, "test": TEST}
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """One part of the videos: `rows` of `features`, a mask, all of them with targets."""

    features: FeatureFiles
    rows: Mask
    targets: Targets

    def __len__(self) -> int:
        return int(np.count_nonzero(self.rows))

    def source(self, config: SourceConfig, rank: int = 0, world: int = 1) -> FeatureSource:
        """Batches of it, those of one worker."""
        return FeatureSource(self.features, config, rows=self.rows, targets=self.targets, rank=rank, world=world)

    def counts(self) -> NDArray[np.int64]:
        """(K,), videos of each class."""
        return replace(self.targets, kept=self.rows).counts()

    def thinned(self, limit: int) -> Split:
        """At most `limit` of the videos, spread evenly over all of them."""
        rows = np.flatnonzero(self.rows)
        if len(rows) <= limit:
            return self
        kept = np.zeros_like(self.rows)
        kept[rows[np.arange(limit) * len(rows) // limit]] = True
        return replace(self, rows=kept)


@dataclass(frozen=True)
class TrainingData:
    """The chosen classes, and the parts that hold videos, by name."""

    choice: ClassChoice
    splits: Mapping[str, Split]

    @property
    def features(self) -> FeatureFiles:
        """The files that are trained on."""
        return self.splits[TRAINING].features

    def class_weights(self) -> tuple[float, ...]:
        """(K,), so that each class weighs as much as every other; 1 on average over the training videos."""
        counts = self.splits[TRAINING].counts()
        return tuple((counts.sum() / (len(counts) * counts)).tolist())

    def identity(self) -> Mapping[str, Any]:
        """What tells these data from others, as JSON gives it back."""
        return {
            "data.class_indices": list(self.choice.indices),
            "data.fingerprint": dict(self.features.fingerprint),
            "data.counts": {name: split.counts().tolist() for name, split in self.splits.items()},
        }


@dataclass(frozen=True)
class _Part:
    """Rows of files that may become a split; ids and labels of all rows of the files."""

    features: FeatureFiles
    ids: Sequence[str]
    labels: LabelLists
    rows: Mask


def load_training_data(config: ClassifierTrainingConfig) -> TrainingData:
    """Look at all files, choose classes and share out the videos.

    Raises:
        FeatureFileError, ClassNamesError, ClassChoiceError, SplitError: for data that cannot be used.
        cluster.storage.StorageError, OSError: where they cannot be read.
    """
    parts = PART_READERS[config.split](config)
    highest = max(int(part.labels.values.max(initial=-1)) for part in parts.values())
    choice = choose_classes(config.classes, _class_names(config, highest))
    splits = _splits(parts, config.task, choice)
    check_not_empty({name: split.rows for name, split in splits.items()}, _needed(config))
    splits = {name: splits[name] for name in SPLITS if name in splits and len(splits[name])}
    check_disjoint({name: _chosen(parts[name].ids, split.rows) for name, split in splits.items()})
    training = splits[TRAINING]
    check_classes_have_videos(replace(training.targets, kept=training.rows), choice)
    if config.balance:
        targets = balance(training.targets, hash_ids(parts[TRAINING].ids, config.split_seed), training.rows)
        splits[TRAINING] = replace(training, rows=training.rows & targets.kept)
    few = [f"{name} {len(split)}" for name, split in splits.items() if len(split) < config.workers]
    if few:
        raise FeatureFileError(f"too few videos for {config.workers} workers: {', '.join(few)}")
    return TrainingData(choice, splits)


def _by_hash(config: ClassifierTrainingConfig) -> dict[str, _Part]:
    features = open_features(config.features)
    index = read_index(features)
    masks = split_by_hash(index.ids, config.hash_split())
    return {PARTS[name]: _Part(features, index.ids, index.labels, mask) for name, mask in masks.items()}


def _by_column(config: ClassifierTrainingConfig) -> dict[str, _Part]:
    features = open_features(config.features)
    index = read_index(features)
    masks = split_by_column(read_column(features, config.split_column))
    return {PARTS[name]: _Part(features, index.ids, index.labels, mask) for name, mask in masks.items()}


def _by_folder(config: ClassifierTrainingConfig) -> dict[str, _Part]:
    given = {TRAINING: config.features, VALIDATION: config.validation_features, TEST: config.test_features}
    parts: dict[str, _Part] = {}
    for name, uris in given.items():
        if not uris:
            continue
        first = parts[TRAINING].features if parts else None
        features = open_features(uris, fingerprint=first.fingerprint if first else None)
        if first and (features.rgb_dim, features.audio_dim) != (first.rgb_dim, first.audio_dim):
            raise FeatureFileError(
                f"features of different widths: {first.files[0].uri} has {first.rgb_dim} + {first.audio_dim}, "
                f"{features.files[0].uri} has {features.rgb_dim} + {features.audio_dim}"
            )
        index = read_index(features)
        parts[name] = _Part(features, index.ids, index.labels, np.ones(features.rows, bool))
    return parts


PART_READERS = {HASH: _by_hash, COLUMN: _by_column, FOLDERS: _by_folder}


def _class_names(config: ClassifierTrainingConfig, highest: int) -> tuple[str, ...] | None:
    """Names of the dataset's classes; `highest` is the highest index in the labels."""
    uri = config.vocabulary or next(
        (name for folder in config.features if storage.exists(name := storage.join(folder, VOCABULARY))), None
    )
    if uri is None:
        return None
    names = read_class_names(uri)
    if highest >= len(names):
        raise ClassNamesError(
            f"{uri} names {len(names)} classes, but the labels go up to class {highest}: "
            "it belongs to other features; give theirs by --vocabulary"
        )
    return names


def _splits(parts: Mapping[str, _Part], task: str, choice: ClassChoice) -> dict[str, Split]:
    """Parts of the same files share their targets."""
    make = single_label_targets if task == SINGLE_LABEL else multi_label_targets
    targets: dict[int, Targets] = {}
    for part in parts.values():
        if id(part.labels) not in targets:
            targets[id(part.labels)] = make(part.labels, choice)
    of_part = {name: targets[id(part.labels)] for name, part in parts.items()}
    return {name: Split(part.features, part.rows & of_part[name].kept, of_part[name]) for name, part in parts.items()}


def _needed(config: ClassifierTrainingConfig) -> set[str]:
    """The parts that must hold videos."""
    if config.split == COLUMN:
        return {TRAINING, VALIDATION}
    if config.split == FOLDERS:
        return {TRAINING, VALIDATION, *([TEST] if config.test_features else [])}
    fractions = config.hash_split()
    return {TRAINING, *(PARTS[name] for name in PARTS if getattr(fractions, name))}


def _chosen(ids: Sequence[str], rows: Mask) -> list[str]:
    return [ids[row] for row in np.flatnonzero(rows).tolist()]
