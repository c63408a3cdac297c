"""The sum and the codes of a segment's embeddings, which come in blocks.

In: embeddings (N, D) float32, each with the number of consecutive grid points that it stands for. Out: their sum over
the grid points, (D,) float64, which does not depend on the blocks; and their `Codes`, or the embeddings themselves.
Memory holds a byte for each number of an embedding, or four, whatever the number of grid points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.codes import Codes
from schemas.quantization import quantize


class FeatureTotals:
    """Takes the embeddings of a segment in order; keeps codes and values only if it is to."""

    def __init__(self, dim: int, *, keeps_codes: bool, keeps_values: bool = False) -> None:
        self.sum = np.zeros(dim)
        self._values = [(np.zeros((0, dim), np.float32), np.zeros(0, np.int64))] if keeps_values else None
        self._codes = [Codes.of(np.zeros((0, dim), np.uint8))] if keeps_codes else None

    def add(self, embeddings: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
        """Add embeddings (N, D) for counts (N,) grid points."""
        weighted = np.multiply(embeddings, counts[:, None], dtype=np.float64)
        self.sum = np.concatenate([self.sum[None], weighted]).sum(axis=0)  # one by one, as without blocks
        if self._codes is not None:
            self._codes.append(Codes.of(quantize(embeddings), counts))
        if self._values is not None:
            self._values.append((embeddings, counts))

    @property
    def codes(self) -> Codes | None:
        """The codes of all grid points; None if they are not kept."""
        return None if self._codes is None else Codes.joined(self._codes)

    @property
    def values(self) -> NDArray[np.float32] | None:
        """The embeddings (T, D) of all grid points; None if they are not kept."""
        if self._values is None:
            return None
        return np.concatenate([np.repeat(embeddings, counts, axis=0) for embeddings, counts in self._values])
