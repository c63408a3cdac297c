"""Parts of the videos: which of them are for training, validation and test, and what each teaches.

In: ids and labels of all videos, and masks that say which may be in which part. Out: a `Split` for each part that holds
videos, with targets of the chosen classes; targets are arrays, 9 bytes a video. No video is in two parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.data.class_choice import (
    ClassChoice,
    LabelLists,
    Targets,
    balance,
    check_classes_have_videos,
    multi_label_targets,
    single_label_targets,
)
from classifiers.data.splits import SplitError, check_disjoint, check_not_empty, hash_ids
from classifiers.losses import SINGLE_LABEL
from cluster.training.config import TrainingOptions
from cluster.training.option_groups import COLUMN, FOLDERS, HASH, SplitOptions
from schemas.trainings import SPLITS, TEST, TRAINING, VALIDATION

# What to do about a part without videos, by how they are shared out.
ADVICE = {
    HASH: "give more videos or other --fractions",
    COLUMN: "name some for it in that column (in manifests, jobs/make_manifest.py takes validation from training)",
    FOLDERS: "give others for it, or other --classes",
}
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """Videos that may become a split: `rows`, a mask over all those whose ids and labels are given."""

    ids: Sequence[str]
    labels: LabelLists
    rows: Mask


@dataclass(frozen=True)
class Split:
    """One part of the videos: `rows`, a mask over all that there are, all of them with targets."""

    rows: Mask
    targets: Targets

    def __len__(self) -> int:
        return int(np.count_nonzero(self.rows))

    def counts(self) -> NDArray[np.int64]:
        """(K,), videos of each class."""
        return replace(self.targets, kept=self.rows).counts()

    def thinned(self, limit: int) -> Self:
        """At most `limit` of the videos, spread evenly over all of them."""
        rows = np.flatnonzero(self.rows)
        if len(rows) <= limit:
            return self
        kept = np.zeros_like(self.rows)
        kept[rows[np.arange(limit) * len(rows) // limit]] = True
        return replace(self, rows=kept)


def share_out(parts: Mapping[str, Part], options: TrainingOptions, split: str, choice: ClassChoice) -> dict[str, Split]:
    """The parts that hold videos of the chosen classes, in the order of `SPLITS`; `split` is how they came about.

    Raises:
        SplitError, ClassChoiceError: for parts or classes without videos, and for parts that overlap.
    """
    splits = targeted(parts, options.classes.task, choice)
    needed = _needed(options.splits, split)
    check_not_empty({name: found.rows for name, found in splits.items()}, needed, ADVICE[split])
    splits = {name: splits[name] for name in SPLITS if name in splits and len(splits[name])}
    check_disjoint({name: _chosen(parts[name].ids, found.rows) for name, found in splits.items()})
    training = splits[TRAINING]
    check_classes_have_videos(replace(training.targets, kept=training.rows), choice)
    if options.classes.balance:
        order = hash_ids(parts[TRAINING].ids, options.splits.split_seed)
        targets = balance(training.targets, order, training.rows)
        splits[TRAINING] = replace(training, rows=training.rows & targets.kept)
    workers = options.engine.workers
    few = [f"{name} {len(found)}" for name, found in splits.items() if len(found) < workers]
    if few:
        raise SplitError(f"too few videos for {workers} workers: {', '.join(few)}")
    return splits


def targeted(parts: Mapping[str, Part], task: str, choice: ClassChoice) -> dict[str, Split]:
    """The videos of parts that are of the chosen classes, with targets, which parts of the same videos share."""
    make: Any = single_label_targets if task == SINGLE_LABEL else multi_label_targets
    targets: dict[int, Targets] = {}
    for part in parts.values():
        if id(part.labels) not in targets:
            targets[id(part.labels)] = make(part.labels, choice)
    of_part = {name: targets[id(part.labels)] for name, part in parts.items()}
    return {name: Split(part.rows & of_part[name].kept, of_part[name]) for name, part in parts.items()}


def _needed(options: SplitOptions, split: str) -> set[str]:
    """The parts that must hold videos."""
    if split == COLUMN:
        return {TRAINING, VALIDATION}
    if split == FOLDERS:
        return {TRAINING, VALIDATION, *([TEST] if options.test_features else [])}
    fractions = options.hash_split()
    return {TRAINING, *(name for name in SPLITS if getattr(fractions, name))}


def _chosen(ids: Sequence[str], rows: Mask) -> list[str]:
    return [ids[row] for row in np.flatnonzero(rows).tolist()]
