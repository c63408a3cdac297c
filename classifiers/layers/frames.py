"""Padding of batches of videos of different lengths: masks, and operations that ignore the padding.

N videos, T grid points, D features, R rows, one for each grid point of a video.

Layers over single frames work on rows (R, D), so that padding neither takes time nor enters batch statistics.
"""

from __future__ import annotations

import torch
from torch import Tensor


def valid_frames(num_frames: Tensor, length: int) -> Tensor:
    """A mask of the grid points that belong to each video, bool (N, T), T = `length`.

    A video without grid points keeps its first, which is zeros: this avoids divisions by zero.
    """
    steps = torch.arange(length, device=num_frames.device)
    return steps < num_frames.clamp(min=1)[:, None]


def padded(rows: Tensor, valid: Tensor) -> Tensor:
    """Scatter rows (R, D) to (N, T, D), with zeros where `valid` (N, T) is false."""
    frames = rows.new_zeros(*valid.shape, rows.shape[1])
    frames[valid] = rows
    return frames


def mean_over_frames(features: Tensor, num_frames: Tensor) -> Tensor:
    """The mean of features (N, T, D) over the grid points of each video: (N, D)."""
    valid = valid_frames(num_frames, features.shape[1])
    # masked_fill instead of a product keeps NaN and infinity in the padding out of the sum.
    return features.masked_fill(~valid[:, :, None], 0.0).sum(dim=1) / valid.sum(dim=1)[:, None]
