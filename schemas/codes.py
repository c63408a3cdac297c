"""8-bit codes of the grid points of a video, in order of time; runs of equal ones are stored once.

So a still picture takes one vector of memory, whatever number of grid points the header of its file claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

INLINE_BYTES = 12  # so few are in a view itself
MAX_BUFFER_BYTES = 1 << 30  # that a view refers to, with an offset of 32 bits


@dataclass(frozen=True, eq=False)
class Codes:
    """The code vectors of T grid points. NumPy takes it as an array (T, D) uint8.

    vectors  (N, D) uint8, in memory or in a memory-mapped file
    counts   (N,) int64, each at least 1: the consecutive grid points that a vector stands for; their sum is T
    """

    vectors: NDArray[np.uint8]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check shapes and types: codes may come from a process that has decoded hostile files."""
        if self.vectors.dtype != np.uint8 or self.vectors.ndim != 2 or self.counts.shape != self.vectors.shape[:1]:
            raise ValueError(f"codes are (N, D) uint8, not {self.vectors.shape} {self.vectors.dtype}")
        if self.counts.dtype != np.int64 or self.counts.min(initial=1) < 1:
            raise ValueError("a code stands for at least one grid point")

    @classmethod
    def of(cls, vectors: NDArray[np.uint8], counts: NDArray[np.int64] | None = None) -> Self:
        """Vectors (N, D) for counts (N,) grid points, or for one each; equal neighbours become one."""
        if counts is None:
            counts = np.ones(len(vectors), np.int64)
        starts = np.flatnonzero((vectors[1:] != vectors[:-1]).any(axis=1)) + 1
        starts = np.concatenate([[0], starts]) if len(vectors) else starts
        return cls(vectors[starts], np.add.reduceat(counts, starts) if len(starts) else counts)

    @classmethod
    def joined(cls, parts: Sequence[Codes]) -> Self:
        """The codes of parts that follow each other."""
        return cls(np.concatenate([part.vectors for part in parts]), np.concatenate([part.counts for part in parts]))

    def __len__(self) -> int:
        """T, the number of grid points."""
        return int(self.counts.sum())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The codes (T, D) of all grid points."""
        return np.repeat(self.vectors, self.counts, axis=0).astype(dtype or np.uint8, copy=False)

    @property
    def dim(self) -> int:
        """D, the width of a code vector."""
        return int(self.vectors.shape[1])

    @property
    def size_bytes(self) -> int:
        """Of the codes of all grid points, as readers have them."""
        return len(self) * self.dim


def code_lists(codes: Sequence[Codes]) -> pa.ListArray:
    """A column `list<binary_view>`: a row for each video, a view for each of its grid points.

    A view is 16 bytes that refer to the vector, which is not copied (https://arrow.apache.org/docs/format/Columnar.html).
    """
    views: list[NDArray[np.int32]] = []
    buffers: list[pa.Buffer] = []
    for each in codes:
        chunk = max(1, MAX_BUFFER_BYTES // each.dim)
        for start in range(0, len(each.vectors), chunk):
            vectors = np.ascontiguousarray(each.vectors[start : start + chunk])
            views.append(np.repeat(_views(vectors, len(buffers)), each.counts[start : start + chunk], axis=0))
            buffers.append(pa.py_buffer(vectors))
    joined = views[0] if len(views) == 1 else np.concatenate([np.zeros((0, 4), np.int32), *views])
    items = pa.Array.from_buffers(pa.binary_view(), len(joined), [None, pa.py_buffer(joined), *buffers])
    offsets = np.cumsum([0, *map(len, codes)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def _views(vectors: NDArray[np.uint8], buffer: int) -> NDArray[np.int32]:
    """Views (N, 4) of all vectors (N, D): width, first four bytes, number of their buffer, offset; or width, bytes."""
    count, dim = vectors.shape
    views = np.zeros((count, 4), np.int32)
    views[:, 0] = dim
    head = dim if dim <= INLINE_BYTES else 4
    views[:, 1:].view(np.uint8)[:, :head] = vectors[:, :head]
    if dim > INLINE_BYTES:
        views[:, 2] = buffer
        views[:, 3] = np.arange(count) * dim
    return views
