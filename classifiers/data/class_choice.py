"""Labels of videos → targets of a classifier: which classes it learns, and which videos it learns them from.

In: labels as class indices of the data set, all videos' in one array with offsets (`LabelLists`), and what the user
chose: `all`, `first:50`, indices, or names.
Out: `Targets`: which videos are kept, and their classes by position among the chosen ones.

Single label: a video counts with its first label, and is kept if that one is chosen; this is the rule of the reported
YouTube-8M runs. Multi-label: a video counts with all of its labels that are chosen. Nothing here loops over videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError

FIRST = "first:"
ALL = "all"


class ClassChoiceError(InputError, ValueError):
    """Classes that cannot be chosen, or leave no video; the message lists all that is wrong."""


@dataclass(frozen=True)
class LabelLists:
    """Labels of N videos: those of video n are `values[offsets[n]:offsets[n + 1]]`.

    offsets  (N + 1,) int64, rising from 0
    values   (labels,) int64, indices of the data set's classes
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse offsets that do not fit the values."""
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.values) or (np.diff(self.offsets) < 0).any():
            raise ValueError(f"offsets must rise from 0 to {len(self.values)}, the number of labels")

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class ClassChoice:
    """K classes in the order of the classifier's outputs: their indices in the data set, and their names."""

    indices: tuple[int, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def positions(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of each class index among the chosen ones; -1 for one that is not chosen."""
        order = np.argsort(self.indices)
        known = np.asarray(self.indices, np.int64)[order]
        at = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[at] == values, order[at], -1)


@dataclass(frozen=True)
class Targets:
    """What N videos teach.

    kept       (N,) bool
    classes    single label: (N,) int64 position of the class, -1 where not kept. None when multi-label
    lists      multi-label: positions of each video's classes. None when single label
    num_classes  K
    """

    kept: NDArray[np.bool_]
    num_classes: int
    classes: NDArray[np.int64] | None = None
    lists: LabelLists | None = field(default=None, repr=False)

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.float32]:
        """Targets of some videos as a loss takes them: (n,) int64, or (n, K) float32 of 0 and 1."""
        if self.classes is not None:
            return self.classes[rows]
        assert self.lists is not None
        starts, counts = self.lists.offsets[rows], np.diff(self.lists.offsets)[rows]
        of_label = np.repeat(np.arange(len(rows)), counts)
        # The k-th label of a video stands k after its start.
        within = np.arange(len(of_label)) - np.repeat(np.cumsum(counts) - counts, counts)
        dense = np.zeros((len(rows), self.num_classes), np.float32)
        dense[of_label, self.lists.values[np.repeat(starts, counts) + within]] = 1
        return dense

    def counts(self) -> NDArray[np.int64]:
        """(K,) how many of the kept videos show each class."""
        if self.classes is not None:
            return np.bincount(self.classes[self.kept], minlength=self.num_classes)
        assert self.lists is not None
        of_label = np.repeat(np.arange(len(self.kept)), np.diff(self.lists.offsets))
        return np.bincount(self.lists.values[self.kept[of_label]], minlength=self.num_classes)


def choose_classes(wanted: Sequence[str], names: Sequence[str] | None = None) -> ClassChoice:
    """The classes that `wanted` describes: `all`, `first:50`, class indices (`7`), or names, in the order given.

    names  the data set's vocabulary; without one, classes are called by their index, and `all` is not known

    Raises:
        ClassChoiceError: with everything that is wrong, and the nearest known names.
    """
    index_of = {name: index for index, name in enumerate(names or ())}
    problems: list[str] = []
    indices: list[int] = []
    for item in wanted:
        indices += _indices(item, index_of, None if names is None else len(names), problems)
    twice = [index for index, count in Counter(indices).items() if count > 1]
    if twice:
        problems.append(f"classes chosen more than once: {', '.join(_called(index, names) for index in twice[:10])}")
    if not problems and len(indices) < 2:
        problems.append(f"a classifier needs two classes or more, not {len(indices)}: {ALL}, {FIRST}50, names, indices")
    if problems:
        raise ClassChoiceError("\n".join(problems))
    return ClassChoice(tuple(indices), tuple(_called(index, names) for index in indices))


def single_label_targets(labels: LabelLists, choice: ClassChoice) -> Targets:
    """The first label of each video that has one of the chosen classes there."""
    has_label = np.diff(labels.offsets) > 0
    classes = np.full(len(labels), -1, np.int64)
    classes[has_label] = choice.positions(labels.values[labels.offsets[:-1][has_label]])
    return Targets(classes >= 0, len(choice), classes=classes)


def multi_label_targets(labels: LabelLists, choice: ClassChoice, *, keep_others: bool = False) -> Targets:
    """All labels of each video that are among the chosen classes.

    keep_others  keep videos without any of them too: they show no class
    """
    positions = choice.positions(labels.values)
    chosen = positions >= 0
    of_label = np.repeat(np.arange(len(labels)), np.diff(labels.offsets))
    # By video, then by class, each once: a label may be given twice.
    shown = np.unique(of_label[chosen] * len(choice) + positions[chosen])
    counts = np.bincount(shown // len(choice), minlength=len(labels))
    lists = LabelLists(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), shown % len(choice))
    kept = np.ones(len(labels), bool) if keep_others else counts > 0
    return Targets(kept, len(choice), lists=lists)


def balance(targets: Targets, hashes: NDArray[np.uint64], among: NDArray[np.bool_]) -> Targets:
    """As many videos of each class as the rarest has: those whose hashes are lowest, so the same in every run.

    hashes  (N,) of the ids (`classifiers.data.splits.hash_ids`)
    among   (N,) the videos that count, such as those of the training part; the others are left as they are

    Raises:
        ClassChoiceError: for multi-label targets, or where a class has no video at all.
    """
    if targets.classes is None:
        raise ClassChoiceError("videos with several labels cannot be balanced by class: use class weights instead")
    rows = np.flatnonzero(targets.kept & among)
    classes = targets.classes[rows]
    counts = np.bincount(classes, minlength=targets.num_classes)
    if not counts.min():
        empty = np.flatnonzero(counts == 0)
        raise ClassChoiceError(f"no video shows class {', '.join(map(str, empty[:10]))}: nothing to balance to")
    order = np.lexsort((rows, hashes[rows], classes))  # by class, then by hash
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(rows)) - np.repeat(starts, counts)
    kept = targets.kept & ~among
    kept[rows[order[rank < counts.min()]]] = True
    return Targets(kept, targets.num_classes, classes=np.where(kept, targets.classes, -1))


def check_classes_have_videos(targets: Targets, choice: ClassChoice) -> None:
    """Make sure that each class has a video to be learnt from. Raises `ClassChoiceError` naming those without."""
    counts = targets.counts()
    empty = [choice.names[position] for position in np.flatnonzero(counts == 0)]
    if empty:
        more = f" and {len(empty) - 10} more" if len(empty) > 10 else ""
        raise ClassChoiceError(
            f"{len(empty)} of the {len(choice)} classes have no video: {', '.join(empty[:10])}{more}\n"
            "Choose others, or give more videos"
        )


def _indices(item: str, index_of: dict[str, int], size: int | None, problems: list[str]) -> list[int]:
    if item == ALL and size is None:
        problems.append(
            f"{ALL} needs a vocabulary, or videos whose labels are names, to know how many classes there are; "
            f"{FIRST}50 does without"
        )
    elif item == ALL:
        return list(range(size or 0))
    elif item.startswith(FIRST):
        count = item[len(FIRST) :]
        if count.isdecimal() and 1 <= int(count) <= (size or 1 << 31):
            return list(range(int(count)))
        problems.append(f"{item!r}: {FIRST} is followed by a number from 1 on" + (f" to {size}" if size else ""))
    elif item in index_of:
        return [index_of[item]]
    elif item.isdecimal() and (size is None or int(item) < size):
        return [int(item)]
    elif item.isdecimal():
        problems.append(f"class {item} is not in the vocabulary, which ends with {(size or 0) - 1}")
    elif size is None:
        problems.append(f"class {item!r} is given by name, which needs a vocabulary; indices do without")
    else:
        near = get_close_matches(item, index_of, 3, 0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        problems.append(f"unknown class {item!r}{hint} ({size} classes are known)")
    return []


def _called(index: int, names: Sequence[str] | None) -> str:
    return str(index) if names is None else names[index]
