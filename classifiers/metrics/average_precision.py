"""Average precision of many lists of predictions at once, over ties as over everything else.

In: M predictions in the order of falling scores, each with the list that it belongs to, its score, and whether it is
right; and how many there are to be found in each list, which may be more than are right among those given.
Out: float64, one number a list: the mean, over all that are to be found, of the precision at the place of each, 0 for
those that were not given.

Source: google/youtube-8m `average_precision_calculator.py`. It shuffles before it sorts, so that the order in which
predictions come does not matter where scores are equal. Here such predictions get the mean over all their orders,
which is what that shuffle gives on average: the outcome is the same for any order and any number of workers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precisions(
    lists: NDArray[np.unsignedinteger],
    scores: NDArray[np.floating],
    are_right: NDArray[np.bool_],
    to_be_found: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Average precision of each of the L lists of `to_be_found` (L,); NaN where there is nothing to be found."""
    order = np.argsort(lists, kind="stable")
    lists, scores = lists[order], scores[order]
    rights_at = np.flatnonzero(are_right[order])  # (R,), few beside M: what follows looks at these alone
    opens_list = np.ones(len(lists), bool)
    opens_list[1:] = lists[1:] != lists[:-1]
    opens_run = opens_list.copy()  # a run: equal scores within a list, most often one prediction
    opens_run[1:] |= scores[1:] != scores[:-1]
    openings = np.append(np.flatnonzero(opens_run), len(scores))
    runs = np.unique(np.searchsorted(openings, rights_at, side="right") - 1)
    starts, sizes = openings[runs], openings[runs + 1] - openings[runs]
    rights_so_far = np.searchsorted(rights_at, starts)
    rights = np.searchsorted(rights_at, starts + sizes) - rights_so_far
    list_openings = np.flatnonzero(opens_list)
    list_starts = list_openings[np.searchsorted(list_openings, starts, side="right") - 1]
    before = starts - list_starts
    rights_before = rights_so_far - np.searchsorted(rights_at, list_starts)

    # Each place of each run: how likely a right one stands there, times the precision that it would have.
    run = np.repeat(np.arange(len(starts)), sizes)
    place = np.arange(len(run)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # 0, 1, ... within the run
    rights_above = rights_before[run] + place * ((rights - 1) / np.maximum(sizes - 1, 1))[run]
    precision = (rights_above + 1) / (before[run] + place + 1)
    sums = np.bincount(lists[starts[run]], weights=precision * (rights / sizes)[run], minlength=len(to_be_found))
    means = np.full(len(to_be_found), np.nan)
    np.divide(sums, to_be_found, out=means, where=to_be_found > 0)
    return means
