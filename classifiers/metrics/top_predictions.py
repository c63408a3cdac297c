"""The classes with the highest scores, in the order of their scores.

In: scores (N, K), float, finite; N videos, K classes. Out: classes (N, k) and their scores (N, k), descending.

Among equal scores the class with the lower index comes first, as with `argmax`, so that the outcome depends neither on
the machine nor on the videos beside it. Partitioning keeps the work linear in K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def top_predictions(scores: Array, count: int) -> tuple[NDArray[np.intp], Array]:
    """The `count` highest scores of each row, all where there are fewer: classes and scores, (N, k) each."""
    if scores.ndim != 2 or count < 1:
        raise ValueError(f"cannot take {count} of scores {scores.shape}: need shape (N, K), and at least 1")
    num_videos, num_classes = scores.shape
    if count < num_classes:
        classes = np.nonzero(_among_top(scores, count))[1].reshape(num_videos, count)
    else:
        classes = np.broadcast_to(np.arange(num_classes), scores.shape)
    values = np.take_along_axis(scores, classes, axis=1)  # (N, k) in the order of the classes
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(classes, order, axis=1), np.take_along_axis(values, order, axis=1)


def _among_top(scores: Array, count: int) -> NDArray[np.bool_]:
    """(N, K), true in exactly `count` places of each row."""
    place = scores.shape[1] - count
    lowest = np.partition(scores, place, axis=1)[:, place, None]  # (N, 1), the last score that is taken
    taken = scores > lowest
    level = scores == lowest
    room = count - taken.sum(axis=1)  # (N,), how many of the level ones are taken
    taken |= level
    crowded = np.flatnonzero(level.sum(axis=1) > room)
    taken[crowded] &= ~(level[crowded] & (np.cumsum(level[crowded], axis=1) > room[crowded, None]))
    return taken
