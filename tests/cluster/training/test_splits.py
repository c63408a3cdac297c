"""Splits: masks of candidates become disjoint splits of the chosen classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from classifiers.data.class_choice import ClassChoiceError, LabelLists, choose_classes
from classifiers.data.splits import SplitError
from cluster.training.splits import Candidates, Split, make_splits, with_targets
from tests.support.trainings import training_config

# Twelve videos: six of class 0, four of class 1, and two of class 2, one of which is of class 0 too.
LABELS = [(0,)] * 6 + [(1,)] * 4 + [(2,), (2, 0)]
IDS = [f"v{number:02d}" for number in range(12)]
LISTS = LabelLists(np.cumsum([0, *map(len, LABELS)]).astype(np.int64), np.array(sum(LABELS, ()), np.int64))
CHOICE = choose_classes(("first:2",), None)


def mask(*rows: int) -> NDArray[np.bool_]:
    chosen = np.zeros(12, bool)
    chosen[list(rows)] = True
    return chosen


def candidates(**rows: NDArray[np.bool_]) -> dict[str, Candidates]:
    return {name: Candidates(IDS, LISTS, chosen) for name, chosen in rows.items()}


PARTED = {"training": mask(0, 1, 2, 3, 6, 7, 10), "validation": mask(4, 8), "test": mask(5, 9)}


def splits_of(tmp_path: Path, rows: Mapping[str, NDArray[np.bool_]] = PARTED, **options: Any) -> dict[str, Split]:
    chosen = training_config(tmp_path, tmp_path, **options)
    return make_splits(candidates(**rows), chosen, chosen.settings().split(), CHOICE)


def rows(found: Split) -> list[int]:
    return np.flatnonzero(found.rows).tolist()


def test_videos_of_other_classes_are_in_no_split(tmp_path: Path) -> None:
    found = splits_of(tmp_path)
    assert {name: rows(one) for name, one in found.items()} == {
        "training": [0, 1, 2, 3, 6, 7],
        "validation": [4, 8],
        "test": [5, 9],
    }
    assert found["training"].targets.of(np.array([0, 7])).tolist() == [0, 1]
    assert found["training"].counts().tolist() == [4, 2]
    assert len(found["test"]) == 2


def test_splits_of_the_same_labels_share_their_targets() -> None:
    found = with_targets(candidates(**PARTED), "single-label", CHOICE)
    assert found["training"].targets is found["test"].targets
    several = with_targets(candidates(training=mask(*range(12))), "multi-label", choose_classes(("first:3",), None))
    assert several["training"].targets.of(np.array([11])).tolist() == [[1, 0, 1]]


def test_balanced_classes_have_the_same_number_of_training_videos(tmp_path: Path) -> None:
    found = splits_of(tmp_path, balance=True)
    assert found["training"].counts().tolist() == [2, 2]
    assert found["validation"].counts().tolist() == [1, 1]
    assert rows(splits_of(tmp_path, balance=True)["training"]) == rows(found["training"])


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"test": mask(10)}, {}, r"no video is left for test .*: give more videos or other --fractions"),
        ({"validation": mask()}, {"split": "column"}, r"no video is left for validation .*: assign some to it"),
        ({"test": mask(0, 5, 9)}, {}, "1 ids are in both training and test"),
        ({}, {"workers": 3, "engine": "ray"}, "too few videos for 3 workers: validation 2, test 2"),
    ],
)
def test_empty_overlapping_and_small_splits_are_refused(
    changed: dict[str, NDArray[np.bool_]], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SplitError, match=message):
        splits_of(tmp_path, {**PARTED, **changed}, **options)


def test_every_class_needs_training_videos(tmp_path: Path) -> None:
    with pytest.raises(ClassChoiceError, match="1 of the 2 classes"):
        splits_of(tmp_path, {**PARTED, "training": mask(0, 1, 2, 3)})


def test_a_split_without_videos_may_be_left_out_by_the_fractions(tmp_path: Path) -> None:
    found = splits_of(tmp_path, {**PARTED, "validation": mask(), "test": mask()}, fractions=("1", "0", "0"))
    assert list(found) == ["training"]


def test_a_sample_is_evenly_spaced(tmp_path: Path) -> None:
    training = splits_of(tmp_path)["training"]
    assert rows(training.sample(3)) == [0, 2, 6]
    assert training.sample(6) is training
