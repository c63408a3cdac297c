"""The edits that turn one sequence into another: which units are kept, replaced, dropped or added.

In: a reference and a hypothesis. Out: pairs in order, `(unit, unit)` where they stand for each other, with None for
what is missing on either side. They are the fewest edits; of several sets the one with the fewest substitutions, as in
`error_rates`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

Unit = TypeVar("Unit", bound=Hashable)


def edit_pairs(reference: Sequence[Unit], hypothesis: Sequence[Unit]) -> list[tuple[Unit | None, Unit | None]]:
    """The pairs, in order."""
    edit = len(reference) + len(hypothesis) + 1  # a substitution costs one more: among equals, the fewest of them
    insertions = np.arange(len(hypothesis) + 1) * edit
    costs = np.empty((len(reference) + 1, len(hypothesis) + 1), np.int64)
    costs[0] = insertions
    for row, one in enumerate(reference, 1):
        other = np.array([unit != one for unit in hypothesis], np.int64) * (edit + 1)
        best = costs[row - 1] + edit
        best[1:] = np.minimum(best[1:], costs[row - 1, :-1] + other)
        costs[row] = np.minimum.accumulate(best - insertions) + insertions
    pairs: list[tuple[Unit | None, Unit | None]] = []
    row, column = len(reference), len(hypothesis)
    while row or column:
        same = row > 0 and column > 0
        other_cost = edit + 1 if same and reference[row - 1] != hypothesis[column - 1] else 0
        if same and costs[row, column] == costs[row - 1, column - 1] + other_cost:
            row, column = row - 1, column - 1
            pairs.append((reference[row], hypothesis[column]))
        elif row and costs[row, column] == costs[row - 1, column] + edit:
            row -= 1
            pairs.append((reference[row], None))
        else:
            column -= 1
            pairs.append((None, hypothesis[column]))
    return pairs[::-1]
