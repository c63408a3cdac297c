"""Features as training data: rows of feature files, split into training, validation and test, with their labels.

In: the options. Out: `FeatureData`. Of the features themselves only the widths are read.

Every video is in at most one split: by a hash of its id, by a column of the shards, or by its folder.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn
from typing_extensions import override

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.splits import split_by_column, split_by_hash
from classifiers.feature_models.registry import build_model
from cluster.datasets.vocabulary import VOCABULARY_FILE, ClassNamesError, read_class_names
from cluster.features.columns import FeatureIndex, read_column, read_index, read_uris
from cluster.features.files import FRAME, VIDEO, FeatureFileError, FeatureFiles, open_features
from cluster.features.resident import ResidentFeatures
from cluster.features.source import FeatureSource, SourceConfig
from cluster.storage import files
from cluster.training.config import TrainingOptions, TrainingSettings
from cluster.training.data import ModelInput, Source, TrainingData
from cluster.training.initial_feature_weights import InitialFeatureWeights
from cluster.training.manifest_labels import LabelsError, ManifestLabels, read_manifest_labels
from cluster.training.option_groups import COLUMN, FOLDERS, HASH
from cluster.training.progress import UNWATCHED, Meter
from cluster.training.splits import Candidates, Split, choose, make_splits
from schemas.commands import job
from schemas.errors import examples
from schemas.trainings import TEST, TRAINING, VALIDATION, LostVideo

RESIDENT_BYTES = 1536 << 20  # of means that stay in memory between the epochs

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class FeatureSplit(Split):
    """Rows of `features`."""

    features: FeatureFiles

    def source(self, config: SourceConfig, rank: int = 0, world: int = 1) -> FeatureSource:
        """The share of one worker."""
        return FeatureSource(self.features, config, rows=self.rows, targets=self.targets, rank=rank, world=world)


@dataclass(frozen=True)
class FeatureData(TrainingData):
    """Features, as means or of frames."""

    splits: Mapping[str, FeatureSplit]

    @property
    def features(self) -> FeatureFiles:
        """The files of the training split."""
        return self.splits[TRAINING].features

    @property
    @override
    def input(self) -> ModelInput:
        features = self.features
        columns = ("rgb", "audio") if self.settings.level == FRAME else ("mean_rgb", "mean_audio", "num_frames")
        return ModelInput(
            rgb_dim=features.rgb_dim,
            audio_dim=features.audio_dim,
            columns=columns,
            fingerprint=dict(features.fingerprint),
        )

    @override
    def build_model(self) -> nn.Module:
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

    @override
    def feed(self, worker: Worker) -> FeatureFeed:
        return FeatureFeed(self, worker)

    @override
    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        return read_uris(self.splits[split].features, set(ids))


class FeatureFeed:
    """Streams features. With a single worker, means that fit stay in memory between the epochs."""

    def __init__(self, data: FeatureData, worker: Worker) -> None:
        self._level, self._max_frames = data.settings.level, data.settings.options.model.max_frames
        self._worker = worker
        is_resident = self._level == VIDEO and worker.world == 1
        self._resident = _resident(data.splits.values()) if is_resident else ()

    def source(self, split: FeatureSplit, order: BatchOrder) -> Source:
        """The worker's share of a split."""
        config = SourceConfig(level=self._level, max_frames=self._max_frames, **asdict(order))
        for resident in self._resident:
            if resident.holds(split.features, split.rows):
                return resident.source(config, split.rows, split.targets)
        return split.source(config, self._worker.rank, self._worker.world)

    def find_lost(self, meter: Meter = UNWATCHED) -> Sequence[LostVideo]:
        """Always empty: unusable features are an error."""
        return ()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _resident(splits: Iterable[FeatureSplit]) -> Sequence[ResidentFeatures]:
    """The splits that stay in memory: as many as fit, those of the same files together."""
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
    """The features that the options name (`cluster.training.kinds.load_training_data`)."""
    options = settings.options
    joined = _joined(options)
    split = settings.split(has_column=joined is not None and joined.has_splits)
    given = READERS[split](options, joined)
    candidates = {name: candidate for name, (_, candidate) in given.items()}
    _check_labelled(options, candidates, joined)
    if joined is not None:
        names = joined.names
    else:
        highest = max(int(candidate.labels.values.max(initial=-1)) for candidate in candidates.values())
        names = _class_names(options, highest)
    choice = choose(options, names, candidates.values())
    splits = make_splits(candidates, options, split, choice)
    data = FeatureData(
        settings,
        choice,
        {name: FeatureSplit(found.rows, found.targets, given[name][0]) for name, found in splits.items()},
    )
    data.build_model()  # before workers do, to report problems with its weights at once
    return data


Given = Mapping[str, tuple[FeatureFiles, Candidates]]


def _joined(options: TrainingOptions) -> ManifestLabels | None:
    """The labels of the manifest that replace those of the features, if there is one."""
    manifest, vocabulary = options.classes.labels, options.classes.vocabulary
    return None if manifest is None else read_manifest_labels(manifest, _vocabularies(options), vocabulary)


def _index(features: FeatureFiles, joined: ManifestLabels | None) -> FeatureIndex:
    """Ids and labels of all rows."""
    index = read_index(features)
    return index if joined is None else replace(index, labels=joined.labels(index.ids))


def _check_labelled(
    options: TrainingOptions, candidates: Mapping[str, Candidates], joined: ManifestLabels | None
) -> None:
    """Make sure that there are labels, and tell how many videos have none."""
    distinct = {id(each.labels): each for each in candidates.values()}.values()
    ids = [name for each in distinct for name in each.ids]
    is_labelled = np.concatenate([np.diff(each.labels.offsets) > 0 for each in distinct])
    unlabelled = [ids[row] for row in np.flatnonzero(~is_labelled).tolist()]
    place = ", ".join(options.features)
    if len(unlabelled) < len(ids):
        if unlabelled:
            logger.warning(
                f"{len(unlabelled)} of {len(ids)} videos have no label and are left out: {examples(unlabelled)}"
            )
        return
    if joined is not None:
        raise joined.unmatched(ids, place)
    raise LabelsError(
        f"none of the {len(ids)} videos in {place} has a label: give --labels MANIFEST, or run "
        f"{job('extract_features')} again with a manifest that has the column labels, which keeps the features and "
        "adds the labels"
    )


def _by_hash(options: TrainingOptions, joined: ManifestLabels | None) -> Given:
    features = open_features(options.features, code_range=options.records.range())
    index = _index(features, joined)
    masks = split_by_hash(index.ids, options.splits.hash_split())
    return {name: (features, Candidates(index.ids, index.labels, mask)) for name, mask in masks.items()}


def _by_column(options: TrainingOptions, joined: ManifestLabels | None) -> Given:
    features = open_features(options.features, code_range=options.records.range())
    index = _index(features, joined)
    if joined is not None and joined.has_splits:
        masks = split_by_column(joined.splits(index.ids))
    else:
        masks = split_by_column(read_column(features, options.splits.split_column))
    return {name: (features, Candidates(index.ids, index.labels, mask)) for name, mask in masks.items()}


def _by_folder(options: TrainingOptions, joined: ManifestLabels | None) -> Given:
    folders = {
        TRAINING: options.features,
        VALIDATION: options.splits.validation_features,
        TEST: options.splits.test_features,
    }
    given: dict[str, tuple[FeatureFiles, Candidates]] = {}
    for name, uris in folders.items():
        if not uris:
            continue
        first = given[TRAINING][0] if given else None
        features = open_features(
            uris, fingerprint=first.fingerprint if first else None, code_range=options.records.range()
        )
        if first and (features.rgb_dim, features.audio_dim) != (first.rgb_dim, first.audio_dim):
            raise FeatureFileError(
                f"features have different widths: {first.files[0].uri} has {first.rgb_dim} + {first.audio_dim}, "
                f"{features.files[0].uri} has {features.rgb_dim} + {features.audio_dim}"
            )
        index = _index(features, joined)
        given[name] = features, Candidates(index.ids, index.labels, np.ones(features.rows, bool))
    return given


READERS = {HASH: _by_hash, COLUMN: _by_column, FOLDERS: _by_folder}


def _class_names(options: TrainingOptions, highest: int) -> tuple[str, ...] | None:
    """Names of the dataset's classes; `highest` is the largest class index in the labels."""
    uri = options.classes.vocabulary or next(filter(files.exists, _vocabularies(options)), None)
    if uri is None:
        return None
    names = read_class_names(uri)
    if highest >= len(names):
        raise ClassNamesError(
            f"{uri} names {len(names)} classes, but the labels go up to class {highest}: "
            "it belongs to other features; give the right one with --vocabulary"
        )
    return names


def _vocabularies(options: TrainingOptions) -> list[str]:
    """Where the vocabularies of the features' datasets would be."""
    return [files.join(folder, VOCABULARY_FILE) for folder in options.features]
