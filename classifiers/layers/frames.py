"""The grid points of a batch of videos of different lengths: which are there, and sums over those alone.

Letters: N videos, T grid points, D features, R rows, one for each grid point that is there.

Networks over single frames work on rows (R, D): padding costs nothing there, and batch statistics do not see it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def valid_frames(num_frames: Tensor, length: int) -> Tensor:
    """Which of `length` grid points belong to each video: bool (N, T).

    A video without any keeps its first, which is zeros: it gets a result like any other, and no division by zero.
    """
    steps = torch.arange(length, device=num_frames.device)
    return steps < num_frames.clamp(min=1)[:, None]


def padded(rows: Tensor, valid: Tensor) -> Tensor:
    """Rows (R, D) back in their places: (N, T, D), zeros where `valid` (N, T) is false."""
    frames = rows.new_zeros(*valid.shape, rows.shape[1])
    frames[valid] = rows
    return frames


def mean_over_frames(features: Tensor, num_frames: Tensor) -> Tensor:
    """Mean of features (N, T, D) over the grid points of each video: (N, D)."""
    valid = valid_frames(num_frames, features.shape[1])
    # masked_fill and not a product: whatever stands beyond a video's end stays out of the sum.
    return features.masked_fill(~valid[:, :, None], 0.0).sum(dim=1) / valid.sum(dim=1)[:, None]
