"""Average precision of many lists of predictions at once, with exact treatment of ties.

In: M predictions in descending order of scores, each with its list, its score, and whether it is correct; and the
number of relevant items of each list, which may exceed the number of correct predictions.
Out: float64, one value per list: the mean over all relevant items of the precision at their rank, 0 for items without a
prediction. At n, predictions after the first n of a list count as none, and the mean is over at most n relevant items.

Source: google/youtube-8m `average_precision_calculator.py`. It shuffles before sorting, so that the order of
predictions with equal scores does not matter on average. Here such predictions get the mean over all their orders, the
expectation of the shuffle: the result is the same for any order and any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RankedPrecisions:
    """What each rank of each list contributes, where a correct prediction may be.

    lists       number of the list
    ranks       0, 1, ... within the list
    precisions  the probability of a correct prediction at the rank, times its expected precision
    """

    lists: NDArray[np.unsignedinteger]
    ranks: NDArray[np.intp]
    precisions: NDArray[np.float64]

    def averages(self, relevant: NDArray[np.integer], at: int | None = None) -> NDArray[np.float64]:
        """Average precision of each of L lists, given their numbers of `relevant` items (L,); NaN where that is 0.

        At n (None: of all predictions), those after the first n of a list do not count, nor do relevant items beyond n.
        """
        lists, precisions = self.lists, self.precisions
        if at is not None:
            is_counted = self.ranks < at
            lists, precisions, relevant = lists[is_counted], precisions[is_counted], np.minimum(relevant, at)
        sums = np.bincount(lists, weights=precisions, minlength=len(relevant))
        means = np.full(len(relevant), np.nan)
        np.divide(sums, relevant, out=means, where=relevant > 0)
        return means


def ranked_precisions(
    lists: NDArray[np.unsignedinteger], scores: NDArray[np.floating], are_correct: NDArray[np.bool_]
) -> RankedPrecisions:
    """The precisions of predictions in descending order of scores."""
    order = np.argsort(lists, kind="stable")
    lists, scores = lists[order], scores[order]
    correct_at = np.flatnonzero(are_correct[order])  # far fewer than M, so that all that follows is fast
    starts_list = np.ones(len(lists), bool)
    starts_list[1:] = lists[1:] != lists[:-1]
    starts_tie = starts_list.copy()  # a tie: equal scores within a list, usually a single prediction
    starts_tie[1:] |= scores[1:] != scores[:-1]
    tie_starts = np.append(np.flatnonzero(starts_tie), len(scores))
    ties = np.unique(np.searchsorted(tie_starts, correct_at, side="right") - 1)  # those with correct predictions
    starts, sizes = tie_starts[ties], tie_starts[ties + 1] - tie_starts[ties]
    correct_so_far = np.searchsorted(correct_at, starts)
    correct = np.searchsorted(correct_at, starts + sizes) - correct_so_far
    all_list_starts = np.flatnonzero(starts_list)
    list_starts = all_list_starts[np.searchsorted(all_list_starts, starts, side="right") - 1]
    before = starts - list_starts
    correct_before = correct_so_far - np.searchsorted(correct_at, list_starts)

    # For each rank within each tie: the probability of a correct prediction there, times its expected precision.
    tie = np.repeat(np.arange(len(starts)), sizes)
    rank = np.arange(len(tie)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # 0, 1, ... within the tie
    correct_above = correct_before[tie] + rank * ((correct - 1) / np.maximum(sizes - 1, 1))[tie]
    ranks = before[tie] + rank
    precisions = (correct_above + 1) / (ranks + 1) * (correct / sizes)[tie]
    return RankedPrecisions(lists[starts[tie]], ranks, precisions)
