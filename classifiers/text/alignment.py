"""When each character and word of a text is spoken, by the most probable CTC path that spells it.

In: log-probabilities (T, K) as for `ctc`, and the labels (L,) of the text. Out: `Alignment`, the first and last step of
each character and each word, and their probabilities. T steps, K outputs, L labels; a step lasts 1 /
`steps_per_second`. Memory: T x (2L + 1) bytes.

A character's steps are those at which the path has its label, one run of them; a word's go from the first of its first
character to the last of its last one, and blanks between are not counted in its probability. CTC networks put labels
where they are sure, often late within a sound: times are good to a few steps, not to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classifiers.text.alphabet import SPACE, Alphabet
from classifiers.text.ctc import Array, checked, may_skip, with_blanks


class AlignmentError(ValueError):
    """Labels that no path of these steps spells."""


@dataclass(frozen=True)
class AlignedText:
    """A character or a word.

    first_step, last_step  both included, from 0
    probability            the geometric mean over its steps
    """

    text: str
    first_step: int
    last_step: int
    probability: float

    def start_seconds(self, steps_per_second: Fraction) -> Fraction:
        """When its first step begins."""
        return self.first_step / steps_per_second

    def end_seconds(self, steps_per_second: Fraction) -> Fraction:
        """When its last step ends."""
        return (self.last_step + 1) / steps_per_second


@dataclass(frozen=True)
class Alignment:
    """The characters of a text, spaces among them, and its words."""

    characters: tuple[AlignedText, ...]
    words: tuple[AlignedText, ...]


def align(log_probabilities: ArrayLike, labels: Sequence[int], alphabet: Alphabet) -> Alignment:
    """The alignment of the text that `labels` spell.

    Raises:
        AlignmentError: if the steps are too few, or the probability of every path is 0.
    """
    values = checked(log_probabilities, alphabet.blank, alphabet.num_outputs)
    path = _best_path(values, labels, alphabet.blank) if len(labels) else np.zeros(len(values), np.int64)
    texts = [alphabet.decode([label]) for label in labels]
    steps = [np.flatnonzero(path == 2 * place + 1) for place in range(len(labels))]
    logs = [values[of_label, label] for of_label, label in zip(steps, labels, strict=True)]

    def aligned(places: Iterable[int]) -> AlignedText:
        """The text of labels that follow each other."""
        some = list(places)
        probability = float(np.exp(np.concatenate([logs[place] for place in some]).mean()))
        first, last = int(steps[some[0]][0]), int(steps[some[-1]][-1])
        return AlignedText("".join(texts[place] for place in some), first, last, probability)

    groups = groupby(range(len(labels)), key=lambda place: texts[place] == SPACE)
    return Alignment(
        characters=tuple(aligned([place]) for place in range(len(labels))),
        words=tuple(aligned(places) for is_space, places in groups if not is_space),
    )


def _best_path(values: Array, labels: Sequence[int], blank: int) -> NDArray[np.int64]:
    """The state of `with_blanks` at each step (T,) on the most probable path: 2i + 1 is label i."""
    states = with_blanks(labels, blank)
    skips = may_skip(states, blank)
    needed = len(labels) + int((np.diff(labels) == 0).sum())
    if len(values) < needed:
        raise AlignmentError(f"{len(labels)} characters need {needed} steps, there are {len(values)}")
    best = np.full(len(states), -np.inf)
    best[:2] = values[0, states[:2]]
    moves = np.zeros((len(values), len(states)), np.int8)  # how many states back the best path comes from
    for step, row in enumerate(values[1:], 1):
        ways = np.full((3, len(states)), -np.inf)
        ways[0], ways[1, 1:], ways[2, 2:] = best, best[:-1], np.where(skips[2:], best[:-2], -np.inf)
        moves[step] = ways.argmax(axis=0)
        best = ways.max(axis=0) + row[states]
    state = len(states) - 2 + int(best[-1] > best[-2])
    if best[state] == -np.inf:
        raise AlignmentError("the probability of every path that spells these characters is 0")
    path = np.empty(len(values), np.int64)
    for step in range(len(values) - 1, -1, -1):
        path[step] = state
        state -= int(moves[step, state])
    return path
