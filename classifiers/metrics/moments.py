"""Counts, means and sums of squared deviations of vectors, in groups, in one pass and over many workers.

In: vectors (n, D) of a group, batch by batch. State, G groups: count (G,), mean (G, D), spread (G, D) or (G, D, D):
sums of squared deviations from the mean, or of products of deviations. All float64.

Sums of squares lose all digits where the spread is small beside the mean; deviations from the batch's own mean, joined
with a correction for the distance of the means, do not. Source: Chan, Golub and LeVeque, "Updating formulae and a
pairwise algorithm for computing sample variances" (1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# A standard deviation this small beside its mean is what rounding leaves of none: float32 values that are not all the
# same differ by 6e-8 of their size, and a million of them with one that differs still have 6e-11.
ROUNDING = 1e-13
WAITING_ROWS = 8192  # rows are taken in so many at a time: a group's share of one batch is hardly worth its overhead


class Moments:
    """Of `num_groups` groups of vectors (D,); `products` keeps how every two of the D vary together."""

    def __init__(self, num_groups: int, width: int, *, products: bool = False) -> None:
        self._products = products
        self._count = np.zeros(num_groups)
        self._mean = np.zeros((num_groups, width))
        self._spread = np.zeros((num_groups, width, width) if products else (num_groups, width))
        self._waiting: list[tuple[NDArray[np.intp], NDArray[np.floating]]] = []

    def update(self, groups: NDArray[np.intp], vectors: NDArray[np.floating]) -> None:
        """Take in vectors (n, D), each with its group (n,)."""
        self._waiting.append((groups, vectors))
        if sum(len(rows) for rows, _ in self._waiting) >= WAITING_ROWS:
            self._settle()

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is known, as plain arrays that can be sent to another process."""
        self._settle()
        return {"count": self._count.copy(), "mean": self._mean.copy(), "spread": self._spread.copy()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in what another worker's `state` holds."""
        self._join(slice(None), state["count"], state["mean"], state["spread"])

    def counts(self) -> NDArray[np.int64]:
        """(G,)."""
        self._settle()
        return self._count.astype(np.int64)

    def means(self) -> Array:
        """(G, D), zeros where a group is empty."""
        self._settle()
        return self._mean.copy()

    def variances(self) -> Array:
        """(G, D), over all vectors of a group (divided by their number); exactly 0 where all are the same."""
        self._settle()
        squares = self._spread.diagonal(axis1=1, axis2=2) if self._products else self._spread
        variances: Array = squares / np.maximum(self._count, 1)[:, None]
        return np.where(variances > (ROUNDING * self._mean) ** 2, variances, 0.0)

    def covariances(self, group: int) -> Array:
        """(D, D) of one group, likewise divided by the number of vectors."""
        self._settle()
        covariances: Array = self._spread[group] / max(self._count[group], 1.0)
        return covariances

    def _settle(self) -> None:
        """Take in the rows that wait."""
        if not self._waiting:
            return
        groups, vectors = (np.concatenate(columns) for columns in zip(*self._waiting, strict=True))
        self._waiting = []
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        for rows in np.split(order, starts)[1:]:  # before the first start there is nothing
            values = vectors[rows].astype(np.float64)
            mean = values.mean(axis=0)
            off = values - mean
            spread = off.T @ off if self._products else (off * off).sum(axis=0)
            group = groups[rows[0]]
            self._join(slice(group, group + 1), np.array([float(len(rows))]), mean[None], spread[None])

    def _join(self, groups: slice, count: Array, mean: Array, spread: Array) -> None:
        total = self._count[groups] + count
        share = count / np.maximum(total, 1)
        distance = mean - self._mean[groups]
        between = distance[:, :, None] * distance[:, None, :] if self._products else distance * distance
        weight = (self._count[groups] * share).reshape(-1, *[1] * (between.ndim - 1))
        self._spread[groups] += spread + weight * between
        self._mean[groups] += share[:, None] * distance
        self._count[groups] = total
