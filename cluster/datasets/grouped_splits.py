"""Training, validation and test splits where a data set has none: whole groups, class by class.

A group is never divided here: clips cut from one recording would make a test easy. Within each class the groups are
ordered by a hash of their names and the seed; the first are for the test, the next for validation. Each class has its
share of each split, at least one group where it has enough, and adding videos moves hardly any others to another split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from classifiers.data.splits import SPLIT_NAMES, hash_ids
from schemas import trainings
from schemas.videos import Video

TRAINING, VALIDATION, TEST = STORED_SPLITS = ("train", "validation", "test")  # as manifests and shards store them


@dataclass(frozen=True)
class GroupedVideo:
    """A video of a data set with the name of its group; its split is empty where the data set has none."""

    video: Video
    group: str


def with_splits(listed: Sequence[GroupedVideo], *, validation: float, test: float, seed: int) -> list[Video]:
    """The videos, each in a split.

    A video without a split is in that of its group, or in none where others have one. Groups that the data divide stay
    as they are (`divided_groups`).

    test        fraction of all groups for the test, where the data have no split at all
    validation  fraction of the training groups for validation, where the data have none
    """
    stated = _stated(listed)
    splits = {group: next(iter(names), "") for group, names in stated.items() if len(names) < 2}
    has_split = any(stated.values())
    free = [entry for entry in listed if not has_split or splits.get(entry.group) == TRAINING]
    wants_validation = not any(VALIDATION in names for names in stated.values())
    for groups in _by_class(free):
        order = [groups[place] for place in hash_ids(groups, seed).argsort(kind="stable").tolist()]
        tests = 0 if has_split else _share(test, len(order))
        validations = _share(validation, len(order) - tests) if wants_validation else 0
        cuts = [TEST] * tests + [VALIDATION] * validations
        splits |= dict(zip(order, cuts + [TRAINING] * (len(order) - len(cuts)), strict=True))
    return [replace(entry.video, split=splits.get(entry.group, entry.video.split)) for entry in listed]


def divided_groups(listed: Iterable[GroupedVideo]) -> list[str]:
    """The groups that the data put in several splits."""
    return sorted(group for group, names in _stated(listed).items() if len(names) > 1)


def _stated(listed: Iterable[GroupedVideo]) -> dict[str, set[str]]:
    """The splits that the data name, by group."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in listed:
        found[entry.group].update(filter(None, [entry.video.split]))
    return found


def stored_split(name: str) -> str | None:
    """The split that a folder or list names, as manifests store it; None for any other name."""
    split = SPLIT_NAMES.get(name.strip().lower())
    return None if split is None else STORED_SPLITS[trainings.SPLITS.index(split)]


def _share(fraction: float, count: int) -> int:
    """How many of `count` groups: at least one of two or more, and never all of them."""
    if not fraction or count < 2:
        return 0
    return min(max(round(fraction * count), 1), count - 1)


def _by_class(listed: Sequence[GroupedVideo]) -> list[list[str]]:
    """The groups of each class; those of several classes, or of none, together."""
    found: dict[str, set[object]] = defaultdict(set)
    for entry in listed:
        found[entry.group].update(entry.video.labels or (None,))
    classes: dict[object, list[str]] = defaultdict(list)
    for group, labels in sorted(found.items()):
        classes[next(iter(labels)) if len(labels) == 1 else None].append(group)
    return list(classes.values())
