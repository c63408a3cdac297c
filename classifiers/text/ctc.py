"""CTC decoding: from the log-probabilities of each step to sequences of outputs, with exact scores.

In: natural logarithms of probabilities (T, K), as `log_softmax` gives them, and the output that is the blank. Out:
`Hypothesis`, labels without blanks and the logarithm of their probability. T steps, K outputs; computed in float64.

A path names one output for each step. It spells the sequence that is left when runs of equal outputs are merged and
blanks dropped; the probability of a sequence is the sum over all paths that spell it.

Sources: Graves, Fernández, Gomez and Schmidhuber, "Connectionist Temporal Classification" (2006); Hannun, Maas,
Jurafsky and Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs" (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
NO_LABEL = -1  # before the first label
SUM_TOLERANCE = 0.05  # of the probabilities of a step: bfloat16 has three digits


@dataclass(frozen=True)
class Hypothesis:
    """Labels, none of them the blank, and the natural logarithm of their probability."""

    labels: tuple[int, ...]
    log_probability: float


def checked(log_probabilities: ArrayLike, blank: int, num_outputs: int | None = None) -> Array:
    """The log-probabilities (T, K) in float64; K is `num_outputs` if that is given.

    Raises:
        ValueError: if they are none, as with probabilities or logits, or their outputs are others.
    """
    values = np.asarray(log_probabilities, np.float64)
    if values.ndim != 2:
        raise ValueError(f"expected log-probabilities (steps, outputs), got an array {values.shape}")
    if num_outputs is not None and values.shape[1] != num_outputs:
        raise ValueError(f"log-probabilities of {values.shape[1]} outputs, the alphabet has {num_outputs}")
    if not 0 <= blank < values.shape[1]:
        raise ValueError(f"the blank is output {blank}, but there are outputs 0 to {values.shape[1] - 1}")
    with np.errstate(over="ignore"):
        sums = np.exp(values).sum(axis=1)
    wrong = np.flatnonzero(~(abs(sums - 1) <= SUM_TOLERANCE))  # NaN too
    if wrong.size:
        raise ValueError(
            f"not log-probabilities: those of step {wrong[0]} sum to {sums[wrong[0]]:.4g} as probabilities, not to 1; "
            "give log_softmax of the logits, or the logarithm of a softmax"
        )
    return values


def greedy(log_probabilities: ArrayLike, blank: int) -> Hypothesis:
    """The sequence that the most probable path spells; its score is that of this path alone."""
    values = checked(log_probabilities, blank)
    path = values.argmax(axis=1)
    starts = np.diff(path, prepend=NO_LABEL) != 0
    return Hypothesis(tuple(path[starts & (path != blank)].tolist()), float(values.max(axis=1).sum()))


def with_blanks(labels: Sequence[int], blank: int) -> NDArray[np.int64]:
    """The labels (L,) with blanks before, between and after them: the states (2L + 1,) of the paths that spell them."""
    states = np.full(2 * len(labels) + 1, blank, np.int64)
    states[1::2] = labels
    return states


def may_skip(states: NDArray[np.int64], blank: int) -> NDArray[np.bool_]:
    """The states (2L + 1,) that a path may enter past the blank before them: labels unlike the one before."""
    skips: NDArray[np.bool_] = states != blank
    skips[2:] &= states[2:] != states[:-2]
    skips[:2] = False
    return skips


def log_likelihood(log_probabilities: ArrayLike, labels: Sequence[int], blank: int) -> float:
    """The logarithm of the probability of `labels`, -inf if no path spells them: minus the CTC loss."""
    values = checked(log_probabilities, blank)
    if not len(values):
        return 0.0 if not labels else -np.inf
    states = with_blanks(labels, blank)
    skips = may_skip(states, blank)
    sums = np.full(len(states), -np.inf)  # over the paths that end in each state
    sums[:2] = values[0, states[:2]]
    for row in values[1:]:
        stayed = sums.copy()
        stayed[1:] = np.logaddexp(stayed[1:], sums[:-1])
        stayed[2:] = np.where(skips[2:], np.logaddexp(stayed[2:], sums[:-2]), stayed[2:])
        sums = stayed + row[states]
    return float(np.logaddexp.reduce(sums[-2:]))


def prefix_beam_search(
    log_probabilities: ArrayLike, blank: int, *, width: int = 50, results: int = 1
) -> list[Hypothesis]:
    """The most probable sequences, at most `results`, the best first, among the best `width` prefixes of each step.

    A wide enough beam keeps all prefixes: then all scores are exact. Otherwise they leave out paths through prefixes
    that were dropped. Memory: some 300 bytes for each prefix that was ever kept, at most T x `width` of them.
    """
    if width < 1:
        raise ValueError(f"width is {width}, expected 1 or more")
    values = checked(log_probabilities, blank)
    prefixes = _Prefixes()
    kept = np.zeros(1, np.int64)  # (W,) prefixes in the beam, at first the empty one
    on_blank, on_label = np.zeros(1), np.full(1, -np.inf)  # (W,) sums over paths that end in a blank, in the last label
    for row in values:
        last = prefixes.labels(kept)
        everything = np.logaddexp(on_blank, on_label)
        stay_blank = everything + row[blank]
        stay_label = np.where(last == NO_LABEL, -np.inf, on_label + row[last])
        longer = everything[:, None] + row  # (W, K) prefixes with one more label
        repeated = np.flatnonzero(last != NO_LABEL)
        longer[repeated, last[repeated]] = on_blank[repeated] + row[last[repeated]]  # a repeat needs a blank between
        longer[:, blank] = -np.inf
        # A longer prefix may be in the beam already.
        children, parents = prefixes.pairs(kept)
        stay_label[children] = np.logaddexp(stay_label[children], longer[parents, last[children]])
        longer[parents, last[children]] = -np.inf

        scores = np.concatenate([np.logaddexp(stay_blank, stay_label), longer.ravel()])
        best = _largest(scores, width)
        stayed, grown = best[best < len(kept)], best[best >= len(kept)] - len(kept)
        parents, labels = np.divmod(grown, values.shape[1])
        on_blank = np.concatenate([stay_blank[stayed], np.full(len(grown), -np.inf)])
        on_label = np.concatenate([stay_label[stayed], longer[parents, labels]])
        kept = np.concatenate([kept[stayed], prefixes.grow(kept[parents], labels)])
    scores = np.logaddexp(on_blank, on_label)
    return [Hypothesis(prefixes.spelled(int(kept[i])), float(scores[i])) for i in _largest(scores, results)]


class _Prefixes:
    """Prefixes as a tree: each is its parent and one more label; number 0 is empty."""

    def __init__(self) -> None:
        self._parents, self._labels = [NO_LABEL], [NO_LABEL]
        self._numbers: dict[tuple[int, int], int] = {}

    def labels(self, prefixes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The last label of each."""
        return np.array([self._labels[one] for one in prefixes.tolist()], np.int64)

    def pairs(self, prefixes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where those prefixes are whose parent is among them, and where the parents are."""
        places = {one: place for place, one in enumerate(prefixes.tolist())}
        found = [(place, places[parent]) for one, place in places.items() if (parent := self._parents[one]) in places]
        children, parents = np.array(found, np.int64).reshape(-1, 2).T
        return children, parents

    def grow(self, parents: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """The prefixes with one more label each."""
        return np.array([self._number(*pair) for pair in zip(parents.tolist(), labels.tolist(), strict=True)], np.int64)

    def spelled(self, prefix: int) -> tuple[int, ...]:
        """All labels of one."""
        labels = []
        while prefix:
            labels.append(self._labels[prefix])
            prefix = self._parents[prefix]
        return tuple(reversed(labels))

    def _number(self, parent: int, label: int) -> int:
        number = self._numbers.setdefault((parent, label), len(self._labels))
        if number == len(self._labels):
            self._parents.append(parent)
            self._labels.append(label)
        return number


def _largest(scores: Array, count: int) -> NDArray[np.int64]:
    """Where the largest finite scores are, in descending order."""
    places = np.flatnonzero(scores > -np.inf)
    if len(places) > count:
        places = np.sort(places[np.argpartition(-scores[places], count - 1)[:count]])
    return places[np.argsort(-scores[places], kind="stable")]
