"""What all training data have in common."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.training.data import TrainingData
from cluster.training.kinds import load_training_data
from schemas.trainings import LostVideo
from tests.support.trainings import training_config, write_features

LOST = LostVideo(id="v00001", uri="in/1.mp4", code="damaged", message="damaged")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = write_features(tmp_path_factory.mktemp("features"), 100)
    return load_training_data(training_config(folder, folder / "out").settings())


def test_the_identity_names_classes_fingerprint_and_counts(data: TrainingData, tmp_path: Path) -> None:
    assert data.identity() == {
        "data.class_indices": [0, 1, 2],
        "data.fingerprint": {"source": "test"},
        "data.counts": {name: split.counts().tolist() for name, split in data.splits.items()},
        "data.labels": data.identity()["data.labels"],
    }
    assert re.fullmatch("[0-9a-f]{64}", data.identity()["data.labels"])
    other = load_training_data(training_config(write_features(tmp_path, 101), tmp_path / "out").settings())
    assert other.identity() != data.identity()


def test_labels_that_were_swapped_are_other_data(data: TrainingData) -> None:
    training = data.splits["training"]
    classes = training.targets.classes
    assert classes is not None
    first, other = (int(np.flatnonzero(training.rows & (classes == label))[0]) for label in (0, 1))
    swapped = classes.copy()
    swapped[[first, other]] = swapped[[other, first]]
    splits = {
        name: replace(split, targets=replace(split.targets, classes=swapped)) for name, split in data.splits.items()
    }
    changed = replace(data, splits=splits)
    assert changed.identity()["data.counts"] == data.identity()["data.counts"]
    assert changed.identity() != data.identity()
    assert replace(data, splits=dict(data.splits)).identity() == data.identity()


def test_class_weights_give_every_class_the_same_total(data: TrainingData) -> None:
    counts = data.splits["training"].counts()
    totals = counts * data.class_weights()
    assert totals == pytest.approx([counts.sum() / 3] * 3)


def test_by_default_nothing_changes_and_no_video_can_be_left_out(data: TrainingData) -> None:
    assert data.augmentation() is None
    assert not data.is_repeatable
    assert data.without(()) is data
    with pytest.raises(ValueError, match="FeatureData cannot leave out videos: 1 given"):
        data.without([LOST])
