"""Features as training data: which rows of which files belong to training, validation and test, and what they teach.

In: the options. Out: `FeatureData`. Nothing is read of the features themselves but their widths.

Every video is in one part at most: a hash of its id, a column of the shards or the folder it lies in says in which.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import choose_classes
from classifiers.data.splits import split_by_column, split_by_hash
from classifiers.feature_models.registry import build_model
from cluster.datasets.vocabulary import VOCABULARY_FILE, ClassNamesError, read_class_names
from cluster.features.columns import read_column, read_index, read_uris
from cluster.features.files import FRAME, VIDEO, FeatureFileError, FeatureFiles, open_features
from cluster.features.resident import ResidentFeatures
from cluster.features.source import FeatureSource, SourceConfig
from cluster.storage import files
from cluster.training.config import TrainingOptions, TrainingSettings
from cluster.training.data import ModelInput, Source, TrainingData
from cluster.training.initial_feature_weights import InitialFeatureWeights
from cluster.training.option_groups import COLUMN, FOLDERS, HASH
from cluster.training.splits import Part, Split, share_out
from schemas.trainings import TEST, TRAINING, VALIDATION, LostVideo

RESIDENT_BYTES = 1536 << 20  # of means that stay in memory between the epochs


@dataclass(frozen=True)
class FeatureSplit(Split):
    """Rows of `features`."""

    features: FeatureFiles

    def source(self, config: SourceConfig, rank: int = 0, world: int = 1) -> FeatureSource:
        """Batches of it, those of one worker."""
        return FeatureSource(self.features, config, rows=self.rows, targets=self.targets, rank=rank, world=world)


@dataclass(frozen=True)
class FeatureData(TrainingData):
    """Features, means or those of frames."""

    splits: Mapping[str, FeatureSplit]

    @property
    def features(self) -> FeatureFiles:
        """The files that are trained on."""
        return self.splits[TRAINING].features

    @property
    def input(self) -> ModelInput:
        """See `TrainingData`."""
        features = self.features
        columns = ("rgb", "audio") if self.settings.level == FRAME else ("mean_rgb", "mean_audio", "num_frames")
        return ModelInput(
            rgb_dim=features.rgb_dim,
            audio_dim=features.audio_dim,
            columns=columns,
            fingerprint=dict(features.fingerprint),
        )

    def build_model(self) -> nn.Module:
        """See `TrainingData`."""
        model_options, features = self.settings.options.model, self.features
        numbers = asdict(model_options.config())
        model = build_model(
            model_options.model,
            num_classes=len(self.choice),
            rgb_dim=features.rgb_dim,
            audio_dim=features.audio_dim,
            options=numbers,
        )
        if model_options.init_weights is not None:
            InitialFeatureWeights(
                uri=model_options.init_weights,
                head=model_options.init_head,
                name=model_options.model,
                options=numbers,
                fingerprint=features.fingerprint,
            ).fill(model, self.choice.names)
        return model

    def feed(self, worker: Worker) -> FeatureFeed:
        """See `TrainingData`."""
        return FeatureFeed(self, worker)

    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        """See `TrainingData`."""
        return read_uris(self.splits[split].features, set(ids))


class FeatureFeed:
    """Streams features. Means that fit stay in memory between the epochs, where one worker sees all of them."""

    def __init__(self, data: FeatureData, worker: Worker) -> None:
        self._level, self._max_frames = data.settings.level, data.settings.options.model.max_frames
        self._worker = worker
        stays = self._level == VIDEO and worker.world == 1
        self._resident = _resident(data.splits.values()) if stays else ()

    def source(self, split: FeatureSplit, order: BatchOrder) -> Source:
        """See `training_data.Feed`."""
        config = SourceConfig(level=self._level, max_frames=self._max_frames, **asdict(order))
        for resident in self._resident:
            if resident.holds(split.features, split.rows):
                return resident.source(config, split.rows, split.targets)
        return split.source(config, self._worker.rank, self._worker.world)

    def find_lost(self) -> Sequence[LostVideo]:
        """None: features that cannot be used end the training."""
        return ()

    def close(self) -> None:
        """Nothing to let go of."""


def _resident(splits: Iterable[FeatureSplit]) -> Sequence[ResidentFeatures]:
    """What of the splits stays in memory: as much as fits, those of the same files together."""
    room = RESIDENT_BYTES
    chosen: dict[int, tuple[FeatureFiles, NDArray[np.bool_]]] = {}
    for split in splits:
        features = split.features
        size_bytes = len(split) * (features.rgb_dim + features.audio_dim) * np.dtype(np.float32).itemsize
        if size_bytes <= room:
            room -= size_bytes
            _, rows = chosen.get(id(features), (features, np.zeros(features.rows, bool)))
            chosen[id(features)] = features, rows | split.rows
    return [ResidentFeatures(features, rows) for features, rows in chosen.values()]


def load(settings: TrainingSettings) -> FeatureData:
    """See `training_data.load_training_data`."""
    options, split = settings.options, settings.split()
    given = READERS[split](options)
    parts = {name: part for name, (_, part) in given.items()}
    highest = max(int(part.labels.values.max(initial=-1)) for part in parts.values())
    choice = choose_classes(options.classes.classes, _class_names(options, highest))
    splits = share_out(parts, options, split, choice)
    data = FeatureData(
        settings,
        choice,
        {name: FeatureSplit(found.rows, found.targets, given[name][0]) for name, found in splits.items()},
    )
    data.build_model()  # before workers do, so that what is wrong with its weights is told at once
    return data


Given = Mapping[str, tuple[FeatureFiles, Part]]


def _by_hash(options: TrainingOptions) -> Given:
    features = open_features(options.features)
    index = read_index(features)
    masks = split_by_hash(index.ids, options.splits.hash_split())
    return {name: (features, Part(index.ids, index.labels, mask)) for name, mask in masks.items()}


def _by_column(options: TrainingOptions) -> Given:
    features = open_features(options.features)
    index = read_index(features)
    masks = split_by_column(read_column(features, options.splits.split_column))
    return {name: (features, Part(index.ids, index.labels, mask)) for name, mask in masks.items()}


def _by_folder(options: TrainingOptions) -> Given:
    folders = {
        TRAINING: options.features,
        VALIDATION: options.splits.validation_features,
        TEST: options.splits.test_features,
    }
    given: dict[str, tuple[FeatureFiles, Part]] = {}
    for name, uris in folders.items():
        if not uris:
            continue
        first = given[TRAINING][0] if given else None
        features = open_features(uris, fingerprint=first.fingerprint if first else None)
        if first and (features.rgb_dim, features.audio_dim) != (first.rgb_dim, first.audio_dim):
            raise FeatureFileError(
                f"features of different widths: {first.files[0].uri} has {first.rgb_dim} + {first.audio_dim}, "
                f"{features.files[0].uri} has {features.rgb_dim} + {features.audio_dim}"
            )
        index = read_index(features)
        given[name] = features, Part(index.ids, index.labels, np.ones(features.rows, bool))
    return given


READERS = {HASH: _by_hash, COLUMN: _by_column, FOLDERS: _by_folder}


def _class_names(options: TrainingOptions, highest: int) -> tuple[str, ...] | None:
    """Names of the dataset's classes; `highest` is the highest index in the labels."""
    uri = options.classes.vocabulary or next(
        (name for folder in options.features if files.exists(name := files.join(folder, VOCABULARY_FILE))), None
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
