"""The choice of classes: labels of videos to the targets of a classifier.

In: labels as class indices of the data set, those of all videos in one array with offsets (`LabelLists`), and the
user's choice: `all`, `first:50`, indices, or names.
Out: `Targets`: the videos to train on, and their classes as positions in the choice.

Single label: the first label of a video counts, and the video is kept if it is chosen, as in the reported YouTube-8M
runs. Multi-label: all chosen labels of a video count. Nothing here loops over videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.numerals import natural_number_of

FIRST = "first:"
ALL = "all"
MAX_CLASSES = 1 << 31  # shards hold int32


class ClassChoiceError(InputError, ValueError):
    """An invalid choice of classes, or classes without videos; the message lists all problems."""


@dataclass(frozen=True)
class LabelLists:
    """Labels of N videos; those of video n are `values[offsets[n]:offsets[n + 1]]`.

    offsets  (N + 1,) int64, non-decreasing from 0
    values   (labels,) int64, class indices
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check the offsets."""
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.values) or (np.diff(self.offsets) < 0).any():
            raise ValueError(f"offsets must increase from 0 to {len(self.values)}, the number of labels")

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class ClassChoice:
    """K classes in the order of the classifier's outputs: their indices in the data set and their names."""

    indices: tuple[int, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def positions(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of class indices in the choice; -1 for classes that are not chosen."""
        order = np.argsort(self.indices)
        chosen = np.asarray(self.indices, np.int64)[order]
        nearest = np.minimum(np.searchsorted(chosen, values), len(chosen) - 1)
        return np.where(chosen[nearest] == values, order[nearest], -1)


@dataclass(frozen=True)
class Targets:
    """The training targets of N videos.

    kept         (N,) bool
    num_classes  K
    classes      single label: int64 (N,), the position of the class, -1 if not kept; None for multi-label
    lists        multi-label: the positions of each video's classes; None for single label
    """

    kept: NDArray[np.bool_]
    num_classes: int
    classes: NDArray[np.int64] | None = None
    lists: LabelLists | None = field(default=None, repr=False)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.float32]:
        """Targets of some videos for the loss: int64 (n,), or float32 (n, K) of 0 and 1."""
        if self.classes is not None:
            return self.classes[rows]
        assert self.lists is not None
        starts, counts = self.lists.offsets[rows], np.diff(self.lists.offsets)[rows]
        row_of_label = np.repeat(np.arange(len(rows)), counts)
        # The k-th label of a video is k after the first.
        within = np.arange(len(row_of_label)) - np.repeat(np.cumsum(counts) - counts, counts)
        dense = np.zeros((len(rows), self.num_classes), np.float32)
        dense[row_of_label, self.lists.values[np.repeat(starts, counts) + within]] = 1
        return dense

    def counts(self) -> NDArray[np.int64]:
        """The number of kept videos of each class, (K,)."""
        if self.classes is not None:
            return np.bincount(self.classes[self.kept], minlength=self.num_classes)
        assert self.lists is not None
        row_of_label = np.repeat(np.arange(len(self.kept)), np.diff(self.lists.offsets))
        return np.bincount(self.lists.values[self.kept[row_of_label]], minlength=self.num_classes)


def choose_classes(
    selection: Sequence[str], names: Sequence[str] | None = None, used: Collection[int] | None = None
) -> ClassChoice:
    """The classes in `selection`: `all`, `first:50`, class indices (`7`), or names, in the given order.

    names  the data set's vocabulary; without one, the names of classes are their indices, and `all` is unavailable
    used   the classes that videos have: `all` stands for these; None for all of the vocabulary

    Raises:
        ClassChoiceError: with all problems and the nearest known names.
    """
    index_of = {name: index for index, name in enumerate(names or ())}
    problems: list[str] = []
    indices: list[int] = []
    for item in selection:
        if item == ALL and used is not None and names is not None:
            indices += [index for index in range(len(names)) if index in used]
            continue
        indices += _indices(item, index_of, None if names is None else len(names), problems)
    repeated = [index for index, count in Counter(indices).items() if count > 1]
    if repeated:
        listed = ", ".join(_class_name(index, names) for index in repeated[:10])
        problems.append(f"classes chosen more than once: {listed}")
    if not problems and len(indices) < 2:
        problems.append(f"a classifier needs two classes or more, not {len(indices)}: {ALL}, {FIRST}50, names, indices")
    if problems:
        raise ClassChoiceError("\n".join(problems))
    return ClassChoice(tuple(indices), tuple(_class_name(index, names) for index in indices))


def single_label_targets(labels: LabelLists, choice: ClassChoice) -> Targets:
    """The first label of each video; the video is kept if that label is chosen."""
    has_label = np.diff(labels.offsets) > 0
    classes = np.full(len(labels), -1, np.int64)
    classes[has_label] = choice.positions(labels.values[labels.offsets[:-1][has_label]])
    return Targets(classes >= 0, len(choice), classes=classes)


def multi_label_targets(labels: LabelLists, choice: ClassChoice, *, keep_others: bool = False) -> Targets:
    """The chosen labels of each video.

    keep_others  keep videos without chosen labels as well, as negatives of all classes
    """
    positions = choice.positions(labels.values)
    chosen = positions >= 0
    video_of_label = np.repeat(np.arange(len(labels)), np.diff(labels.offsets))
    # Sorted by video and class; `unique` removes repeated labels of a video.
    unique = np.unique(video_of_label[chosen] * len(choice) + positions[chosen])
    counts = np.bincount(unique // len(choice), minlength=len(labels))
    lists = LabelLists(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), unique % len(choice))
    kept = np.ones(len(labels), bool) if keep_others else counts > 0
    return Targets(kept, len(choice), lists=lists)


def balance(targets: Targets, hashes: NDArray[np.uint64], among: NDArray[np.bool_]) -> Targets:
    """Keep as many videos of each class as the rarest has: those with the lowest hashes, the same in every run.

    hashes  (N,) of the ids (`classifiers.data.splits.hash_ids`)
    among   (N,) mask of the videos to balance, such as the training split; the others are unchanged

    Raises:
        ClassChoiceError: for multi-label targets, or if a class has no video.
    """
    if targets.classes is None:
        raise ClassChoiceError("multi-label videos cannot be balanced by class: use class weights instead")
    rows = np.flatnonzero(targets.kept & among)
    classes = targets.classes[rows]
    counts = np.bincount(classes, minlength=targets.num_classes)
    if not counts.min():
        empty = np.flatnonzero(counts == 0)
        listed = ", ".join(map(str, empty[:10]))
        raise ClassChoiceError(f"cannot balance: no video has class {listed}; choose other classes")
    order = np.lexsort((rows, hashes[rows], classes))  # by class, then by hash
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(rows)) - np.repeat(starts, counts)
    kept = targets.kept & ~among
    kept[rows[order[rank < counts.min()]]] = True
    return Targets(kept, targets.num_classes, classes=np.where(kept, targets.classes, -1))


def check_classes_have_videos(targets: Targets, choice: ClassChoice) -> None:
    """Check that each class has a video of the training split; `ClassChoiceError` names those without."""
    counts = targets.counts()
    empty = [choice.names[position] for position in np.flatnonzero(counts == 0)]
    if empty:
        more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
        raise ClassChoiceError(
            f"{len(empty)} of the {len(choice)} classes have no training video: {', '.join(empty[:10])}{more}\n"
            "Leave them out (--classes names the others), or provide more videos of them"
        )


def _indices(item: str, index_of: dict[str, int], size: int | None, problems: list[str]) -> list[int]:
    """The class indices of one item of the selection; `size` is that of the vocabulary."""
    limit = MAX_CLASSES if size is None else size
    if item == ALL and size is None:
        problems.append(
            f"{ALL} needs a vocabulary, or videos whose labels are names, to count the classes; use {FIRST}50 without"
        )
    elif item == ALL:
        return list(range(size or 0))
    elif item.startswith(FIRST):
        count = natural_number_of(item[len(FIRST) :])
        if count is not None and 1 <= count <= limit:
            return list(range(count))
        problems.append(f"{item!r}: {FIRST} must be followed by a number from 1" + (f" to {size}" if size else " up"))
    elif item in index_of:
        return [index_of[item]]
    elif (index := natural_number_of(item)) is not None and index < limit:
        return [index]
    elif item.isdecimal():
        problems.append(f"class {item} is not in the vocabulary, whose last index is {limit - 1}")
    elif size is None:
        problems.append(f"class {item!r} is given by name, which needs a vocabulary; use indices without one")
    else:
        near = get_close_matches(item, index_of, 3, 0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        problems.append(f"unknown class {item!r}{hint} ({size} classes are known)")
    return []


def _class_name(index: int, names: Sequence[str] | None) -> str:
    return str(index) if names is None else names[index]
