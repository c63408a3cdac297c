"""The classes with the highest scores, in descending order.

In: scores (N, K), float, finite; N videos, K classes. Out: classes (N, k) and their scores (N, k), descending.

Among equal scores the class with the lower index is first, as with `argmax`, so that the result depends neither on the
machine nor on the other videos of the batch. Partitioning makes the time linear in K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def top_predictions(scores: Array, count: int) -> tuple[NDArray[np.intp], Array]:
    """Classes and scores, (N, k) each, of the highest scores of each row; k = min(count, K)."""
    if scores.ndim != 2 or count < 1:
        raise ValueError(f"cannot take the top {count} of scores {scores.shape}: need shape (N, K) and at least 1")
    num_videos, num_classes = scores.shape
    if count < num_classes:
        classes = np.nonzero(_among_top(scores, count))[1].reshape(num_videos, count)
    else:
        classes = np.broadcast_to(np.arange(num_classes), scores.shape)
    values = np.take_along_axis(scores, classes, axis=1)  # (N, k) in the order of the classes
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(classes, order, axis=1), np.take_along_axis(values, order, axis=1)


def _among_top(scores: Array, count: int) -> NDArray[np.bool_]:
    """A mask (N, K) with exactly `count` True values in each row."""
    position = scores.shape[1] - count
    lowest = np.partition(scores, position, axis=1)[:, position, None]  # (N, 1), the lowest score among the top
    is_top = scores > lowest
    is_tied = scores == lowest
    room = count - is_top.sum(axis=1)  # (N,), the number of tied scores among the top
    is_top |= is_tied
    crowded = np.flatnonzero(is_tied.sum(axis=1) > room)
    is_top[crowded] &= ~(is_tied[crowded] & (np.cumsum(is_tied[crowded], axis=1) > room[crowded, None]))
    return is_top
