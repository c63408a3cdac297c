"""Counts, means and (co)variances of grouped vectors, in one pass and mergeable among workers.

In: vectors (n, D), each with its group, batch by batch. State for G groups: count (G,), mean (G, D), spread (G, D) or
(G, D, D): sums of squared deviations from the mean, or of products of deviations. All float64.

Plain sums of squares lose all digits where the spread is small relative to the mean. Sums of deviations from the mean
of a batch, merged with a correction for the difference of the means, do not. Source: Chan, Golub and LeVeque, "Updating
formulae and a pairwise algorithm for computing sample variances" (1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# A standard deviation this small relative to the mean is rounding: distinct float32 values differ by at least 6e-8 of
# their size, and among a million values a single different one still gives 6e-11.
ROUNDING = 1e-13
BUFFERED_ROWS = 8192  # processed together: the rows of one group in a single batch are too few to be efficient


class Moments:
    """Moments of vectors (D,) in `num_groups` groups; with `products`, covariances of all pairs of the D values."""

    def __init__(self, num_groups: int, width: int, *, products: bool = False) -> None:
        self._products = products
        self._count = np.zeros(num_groups)
        self._mean = np.zeros((num_groups, width))
        self._spread = np.zeros((num_groups, width, width) if products else (num_groups, width))
        self._buffer: list[tuple[NDArray[np.intp], NDArray[np.floating]]] = []

    def update(self, groups: NDArray[np.intp], vectors: NDArray[np.floating]) -> None:
        """Add vectors (n, D) with their groups (n,)."""
        self._buffer.append((groups, vectors))
        if sum(len(rows) for rows, _ in self._buffer) >= BUFFERED_ROWS:
            self._flush()

    def state(self) -> dict[str, NDArray[Any]]:
        """The accumulated state, as plain arrays that can be sent to another process."""
        self._flush()
        return {"count": self._count.copy(), "mean": self._mean.copy(), "spread": self._spread.copy()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add the `state` of another worker."""
        self._join(slice(None), state["count"], state["mean"], state["spread"])

    def counts(self) -> NDArray[np.int64]:
        """Vectors per group (G,)."""
        self._flush()
        return self._count.astype(np.int64)

    def means(self) -> Array:
        """Means (G, D); zeros for empty groups."""
        self._flush()
        return self._mean.copy()

    def variances(self) -> Array:
        """Population variances (G, D); exactly 0 if all vectors of a group are equal."""
        self._flush()
        squares = self._spread.diagonal(axis1=1, axis2=2) if self._products else self._spread
        variances: Array = squares / np.maximum(self._count, 1)[:, None]
        return np.where(variances > (ROUNDING * self._mean) ** 2, variances, 0.0)

    def covariances(self, group: int) -> Array:
        """The population covariances (D, D) of one group."""
        self._flush()
        covariances: Array = self._spread[group] / max(self._count[group], 1.0)
        return covariances

    def _flush(self) -> None:
        """Process the buffered rows."""
        if not self._buffer:
            return
        groups, vectors = (np.concatenate(columns) for columns in zip(*self._buffer, strict=True))
        self._buffer = []
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        for rows in np.split(order, starts)[1:]:  # the part before the first start is empty
            values = vectors[rows].astype(np.float64)
            mean = values.mean(axis=0)
            deviations = values - mean
            spread = deviations.T @ deviations if self._products else (deviations * deviations).sum(axis=0)
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
