"""Splits of the videos into training, validation and test, with targets.

In: ids and labels of all videos, and a mask of candidates for each split. Out: a `Split` for each one that holds
videos, with targets of the chosen classes (arrays of 9 bytes a video). No video is in two splits.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.choices import SINGLE_LABEL
from classifiers.data.class_choice import (
    ALL,
    ClassChoice,
    LabelLists,
    Targets,
    balance,
    check_classes_have_videos,
    choose_classes,
    multi_label_targets,
    single_label_targets,
)
from classifiers.data.splits import SplitError, check_disjoint, check_not_empty, hash_ids
from cluster.training.config import TrainingOptions
from cluster.training.option_groups import COLUMN, FOLDERS, HASH, SplitOptions
from schemas.errors import examples
from schemas.trainings import SPLITS, TEST, TRAINING, VALIDATION

# What to do about a split without videos, by the way of splitting.
ADVICE = {
    HASH: "give more videos or other --fractions",
    COLUMN: "assign some to it in that column, or give --split hash",
    FOLDERS: "give other folders for it, or other --classes",
}
Mask = NDArray[np.bool_]

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class Candidates:
    """Videos that may be in a split: `rows`, a mask over the videos with these ids and labels."""

    ids: Sequence[str]
    labels: LabelLists
    rows: Mask


@dataclass(frozen=True)
class Split:
    """The videos of a split: `rows`, a mask over all videos; those in it have targets."""

    rows: Mask
    targets: Targets

    def __len__(self) -> int:
        return int(np.count_nonzero(self.rows))

    def counts(self) -> NDArray[np.int64]:
        """(K,) number of videos of each class."""
        return replace(self.targets, kept=self.rows).counts()

    def sample(self, limit: int) -> Self:
        """At most `limit` of the videos, evenly spaced."""
        rows = np.flatnonzero(self.rows)
        if len(rows) <= limit:
            return self
        kept = np.zeros_like(self.rows)
        kept[rows[np.arange(limit) * len(rows) // limit]] = True
        return replace(self, rows=kept)


def choose(options: TrainingOptions, names: Sequence[str] | None, candidates: Collection[Candidates]) -> ClassChoice:
    """The classes that the options choose; `names` is the vocabulary.

    A vocabulary that comes with the data only ever grows, and may name classes that no video has any more: `all` leaves
    these out. One that the user gives is taken at its word.
    """
    selection = options.classes.classes
    if ALL not in selection or names is None or options.classes.vocabulary is not None:
        return choose_classes(selection, names)
    used = set().union(*(_classes_of(each, options.classes.task) for each in candidates))
    unused = [name for index, name in enumerate(names) if index not in used]
    if unused:
        logger.warning(f"{len(unused)} of {len(names)} classes have no video and are left out: {examples(unused)}")
    return choose_classes(selection, names, used)


def _classes_of(candidates: Candidates, task: str) -> set[int]:
    """The classes that the targets of the candidates can be of."""
    labels, counts = candidates.labels, np.diff(candidates.labels.offsets)
    if task == SINGLE_LABEL:
        return set(labels.values[labels.offsets[:-1][candidates.rows & (counts > 0)]].tolist())
    return set(labels.values[np.repeat(candidates.rows, counts)].tolist())


def make_splits(
    candidates: Mapping[str, Candidates], options: TrainingOptions, split: str, choice: ClassChoice
) -> dict[str, Split]:
    """The splits that hold videos of the chosen classes, in the order of `SPLITS`; `split` is the way of splitting.

    Raises:
        SplitError, ClassChoiceError: for splits or classes without videos, and for overlapping splits.
    """
    splits = with_targets(candidates, options.classes.task, choice)
    required = required_splits(options.splits, split)
    check_not_empty({name: found.rows for name, found in splits.items()}, required, ADVICE[split])
    splits = {name: splits[name] for name in SPLITS if name in splits and len(splits[name])}
    check_disjoint({name: _ids(candidates[name].ids, found.rows) for name, found in splits.items()})
    training = splits[TRAINING]
    check_classes_have_videos(replace(training.targets, kept=training.rows), choice)
    if options.classes.balance:
        order = hash_ids(candidates[TRAINING].ids, options.splits.split_seed)
        targets = balance(training.targets, order, training.rows)
        splits[TRAINING] = replace(training, rows=training.rows & targets.kept)
    check_workers(splits, options.engine.workers)
    return splits


def check_workers(splits: Mapping[str, Split], workers: int) -> None:
    """Raise `SplitError` for splits with fewer videos than workers."""
    few = [f"{name} {len(found)}" for name, found in splits.items() if len(found) < workers]
    if few:
        raise SplitError(f"too few videos for {workers} workers: {', '.join(few)}")


def with_targets(candidates: Mapping[str, Candidates], task: str, choice: ClassChoice) -> dict[str, Split]:
    """The candidates of the chosen classes, with targets; splits of the same videos share these."""
    make: Any = single_label_targets if task == SINGLE_LABEL else multi_label_targets
    targets: dict[int, Targets] = {}
    splits = {}
    for name, given in candidates.items():
        if id(given.labels) not in targets:
            targets[id(given.labels)] = make(given.labels, choice)
        shared = targets[id(given.labels)]
        splits[name] = Split(given.rows & shared.kept, shared)
    return splits


def required_splits(options: SplitOptions, split: str) -> set[str]:
    """The splits that must hold videos."""
    if split == COLUMN:
        return {TRAINING, VALIDATION}
    if split == FOLDERS:
        return {TRAINING, VALIDATION, *([TEST] if options.test_features else [])}
    fractions = options.hash_split()
    return {TRAINING, *(name for name in SPLITS if getattr(fractions, name))}


def _ids(ids: Sequence[str], rows: Mask) -> list[str]:
    return [ids[row] for row in np.flatnonzero(rows).tolist()]
