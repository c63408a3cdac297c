"""Which videos are for training, validation and test, where a data set does not say: whole groups, class by class.

A group is what must not be parted: clips cut from one recording would make a test easy. Within each class the groups
are put into an order by a hash of their names and the seed; the first are for the test, the next for validation. So
each class has its share of each part, at least one group of it where it has enough, and when videos are added hardly
any of the others changes its part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from classifiers.data.splits import hash_ids
from schemas.videos import Video

TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class Listed:
    """A video of a data set with the name of its group; its split is empty where the data set does not say."""

    video: Video
    group: str


def with_splits(listed: Sequence[Listed], *, validation: float, test: float, seed: int) -> list[Video]:
    """The videos, each in a part.

    Without any split in the data, `test` is the fraction of all groups that the test gets. Where no video is for
    validation, that gets the fraction `validation` of what would be for training.
    """
    parts = {entry.group: entry.video.split for entry in listed}
    has_split = any(parts.values())
    free = [entry for entry in listed if not has_split or entry.video.split == TRAIN]
    wants_validation = VALIDATION not in parts.values()
    for groups in _by_class(free):
        order = [groups[place] for place in hash_ids(groups, seed).argsort(kind="stable").tolist()]
        tests = 0 if has_split else _share(test, len(order))
        validations = _share(validation, len(order) - tests) if wants_validation else 0
        cuts = [TEST] * tests + [VALIDATION] * validations
        parts |= dict(zip(order, cuts + [TRAIN] * (len(order) - len(cuts)), strict=True))
    return [replace(entry.video, split=parts[entry.group]) for entry in listed]


def _share(fraction: float, count: int) -> int:
    """How many of `count` groups; one stays, and one is taken where there are two."""
    if not fraction or count < 2:
        return 0
    return min(max(round(fraction * count), 1), count - 1)


def _by_class(listed: Sequence[Listed]) -> list[list[str]]:
    """The groups of each class; those of several classes, or of none, together."""
    first = {entry.group: entry.video.labels for entry in reversed(listed)}
    classes: dict[object, list[str]] = defaultdict(list)
    for group in sorted(first):
        labels = first[group]
        classes[labels[0] if len(labels) == 1 else None].append(group)
    return list(classes.values())
