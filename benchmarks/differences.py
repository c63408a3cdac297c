"""How far results are from exact ones: rows (N, D) of any two contenders."""

from __future__ import annotations

import numpy as np


def relative_rms(found: np.ndarray, exact: np.ndarray) -> float:
    """Root of mean squared difference over mean squared value."""
    return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))


def lowest_cosine(found: np.ndarray, exact: np.ndarray) -> float:
    """Of any row."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
    return float((np.sum(found * exact, axis=1) / norms).min())
