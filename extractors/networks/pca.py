"""Principal component analysis with whitening: network features to the decorrelated features that are stored.

In: float32 (N, D_in). Out: float32 (N, D_out) = (x - mean) @ matrix, whitening included in the matrix. N rows, D
feature.

Source: google/youtube-8m `feature_extractor/feature_extractor.py`: 2048 to 1024, each component divided by
sqrt(eigenvalue + 1e-4). Rows are projected in tiles of 16 (`TiledLinear`), so that a row's result does not depend on
the number of rows.

`fit_pca` fits a PCA to the user's own features, in one pass over chunks of any size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from extractors.networks.inference_form import TiledLinear
from extractors.networks.sizes import OUTPUT_DIMS

EIGENVALUE_OFFSET = 1e-4
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pca:
    """A projection: mean (D_in,) and matrix (D_in, D_out), float32."""

    mean: Array
    matrix: Array

    def __post_init__(self) -> None:
        """Check shapes and values."""
        if self.mean.ndim != 1 or self.matrix.ndim != 2 or self.matrix.shape[0] != self.mean.shape[0]:
            raise ValueError(f"PCA mean {self.mean.shape} and matrix {self.matrix.shape} do not fit: need (D,), (D, K)")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.matrix).all()):
            raise ValueError("PCA mean or matrix has values that are not finite")

    def apply(self, features: Array) -> Array:
        """Project features (N, D_in) to (N, D_out) on the CPU. For repeated calls, keep a `Projection`.

        Raises:
            ValueError: if the features have another width.
        """
        if features.ndim != 2 or features.shape[1] != self.mean.shape[0]:
            raise ValueError(f"this PCA takes features of shape (N, {self.mean.shape[0]}), got {features.shape}")
        with torch.inference_mode():
            rows = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
            projected: Array = Projection(self)(rows).numpy()
        return projected


class Projection(nn.Module):
    """`Pca` as a module: float32 (N, D_in) to float32 (N, D_out)."""

    mean: Tensor

    def __init__(self, pca: Pca) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(pca.mean.copy()))
        matrix = torch.from_numpy(pca.matrix.T.copy())
        self.linear = TiledLinear(matrix, torch.zeros(matrix.shape[0]), dtype=torch.float32)

    def forward(self, features: Tensor) -> Tensor:
        """Centre and project rows (N, D_in) to (N, D_out)."""
        projected: Tensor = self.linear(features - self.mean)
        return projected


@dataclass(frozen=True, eq=False)
class PcaStatistics:
    """A fitted PCA in YouTube-8M's layout: mean (D, 1), eigenvals (D, 1), eigenvecs (D, D), one vector per row."""

    mean: Array
    eigenvals: Array
    eigenvecs: Array

    def whitened(self, dims: int) -> Pca:
        """The projection to the first `dims` components, each divided by sqrt(eigenvalue + 1e-4)."""
        width = self.mean.size
        shapes = (self.mean.size, self.eigenvals.size, self.eigenvecs.shape)
        if shapes != (width, width, (width, width)) or not 0 < dims <= width:
            raise ValueError(f"cannot take {dims} components of mean, eigenvals, eigenvecs with sizes {shapes}")
        values = self.eigenvals.reshape(-1)[:dims].astype(np.float64)
        if (values + EIGENVALUE_OFFSET <= 0).any():
            raise ValueError(f"the smallest of eigenvals is {values.min()}; they must not be negative")
        matrix = self.eigenvecs[:dims].T.astype(np.float64) / np.sqrt(values + EIGENVALUE_OFFSET)
        return Pca(self.mean.reshape(-1).astype(np.float32), matrix.astype(np.float32))


def fit_pca(chunks: Iterable[Array]) -> PcaStatistics:
    """Fit components to a stream of feature chunks (N_i, D); memory is two D x D matrices whatever the number of rows.

    Sums are accumulated in float64 relative to the first chunk's mean, which keeps the covariance exact to rounding.
    Components are in descending order of variance, each with its largest entry positive, so that fits are repeatable.

    Raises:
        ValueError: if fewer than two rows come, or chunks of different widths.
    """
    count, origin = 0, np.zeros(0)
    total, products = np.zeros(0), np.zeros((0, 0))
    for chunk in chunks:
        if len(chunk) == 0:
            continue
        if count == 0:
            origin = chunk.mean(axis=0, dtype=np.float64)
            total, products = np.zeros_like(origin), np.zeros((origin.size, origin.size))
        if chunk.ndim != 2 or chunk.shape[1] != origin.size:
            raise ValueError(f"a chunk of features has shape {chunk.shape}, the first chunk has {origin.size} columns")
        shifted = chunk.astype(np.float64) - origin
        count += len(chunk)
        total += shifted.sum(axis=0)
        products += shifted.T @ shifted
    if count < 2:
        raise ValueError(f"a PCA needs at least two rows of features, got {count}")
    offset = total / count
    values, vectors = np.linalg.eigh(products / count - np.outer(offset, offset))
    values, rows = values[::-1].clip(min=0.0), vectors.T[::-1]
    peaks = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    rows = rows * np.sign(peaks)[:, None]
    return PcaStatistics(
        mean=(origin + offset)[:, None].astype(np.float32),
        eigenvals=values[:, None].astype(np.float32),
        eigenvecs=rows.astype(np.float32),
    )


def random_pca(seed: int, *, dims_in: int) -> Pca:
    """A seeded orthogonal projection without whitening, for trials without a fitted PCA."""
    dims_out = OUTPUT_DIMS[dims_in]
    gaussian = np.random.default_rng(seed).standard_normal((dims_in, dims_out))
    basis, triangle = np.linalg.qr(gaussian)
    basis = basis * np.sign(np.diag(triangle))  # unique: QR leaves the signs undetermined
    return Pca(np.zeros(dims_in, dtype=np.float32), basis.astype(np.float32))
