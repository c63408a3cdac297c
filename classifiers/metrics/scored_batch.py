"""Scored videos with their labels, the input of every metric.

scores   (N, K) float, finite: probabilities
targets  (N,) integers, one class each; or (N, K) of 0 and 1, any number of classes each

N videos, K classes. Both are numpy arrays, or CPU tensors of torch, which numpy accepts without copying.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ScoredBatch:
    """N videos; scores and targets are checked once for all metrics."""

    def __init__(self, scores: ArrayLike, targets: ArrayLike) -> None:
        self.scores: NDArray[np.floating] = np.asarray(scores)
        self.targets: NDArray[np.integer] | NDArray[np.bool_]
        if self.scores.ndim != 2 or self.scores.dtype.kind != "f":
            raise ValueError(f"scores are {self.scores.dtype} {self.scores.shape}, expected floats of shape (N, K)")
        if not np.isfinite(self.scores).all():
            video, index = np.argwhere(~np.isfinite(self.scores))[0]
            raise ValueError(
                f"the score of video {video} for class {index} is {self.scores[video, index]}: the model has diverged, "
                "or its features are not finite"
            )
        self.targets = _checked_targets(np.asarray(targets), self.scores.shape)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def num_classes(self) -> int:
        """The number of classes K."""
        return int(self.scores.shape[1])

    @property
    def is_single_label(self) -> bool:
        """Whether targets are class indices, one per video."""
        return self.targets.ndim == 1

    @cached_property
    def top_class(self) -> NDArray[np.intp]:
        """The class with the highest score (N,), the first of equal ones."""
        top_class: NDArray[np.intp] = np.argmax(self.scores, axis=1)
        return top_class

    @cached_property
    def labels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """All labels as (positions of the videos, classes), in the order of the videos."""
        if self.is_single_label:
            return np.arange(len(self)), self.targets.astype(np.intp)
        videos, classes = np.nonzero(self.targets)
        return videos, classes

    @cached_property
    def labels_per_video(self) -> NDArray[np.intp]:
        """The number of labels of each video (N,)."""
        return np.bincount(self.labels[0], minlength=len(self))

    @cached_property
    def support(self) -> NDArray[np.intp]:
        """The number of videos of each class (K,)."""
        return np.bincount(self.labels[1], minlength=self.num_classes)

    def are_correct(self, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each of the predicted `classes` (N, k) is a label of its video."""
        if self.is_single_label:
            are_correct: NDArray[np.bool_] = classes == self.targets[:, None]
            return are_correct
        return np.take_along_axis(self.targets, classes, axis=1).astype(bool)


def _checked_targets(targets: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.integer] | NDArray[np.bool_]:
    num_videos, num_classes = shape
    if targets.shape == (num_videos,) and targets.dtype.kind in "iu":
        outside = targets[(targets < 0) | (targets >= num_classes)]
        if outside.size:
            raise ValueError(f"target {outside[0]} is not a class: the classes are 0 to {num_classes - 1}")
        return targets
    if targets.shape == shape and targets.dtype.kind in "biuf":
        positive: NDArray[np.bool_] = targets.astype(bool)
        if (positive != targets).any():
            raise ValueError(f"targets contain {targets[positive != targets][0]}; those of shape (N, K) are 0 or 1")
        return positive
    raise ValueError(
        f"targets are {targets.dtype} {targets.shape}, expected integers of shape ({num_videos},) or 0 and 1 of "
        f"shape {shape}"
    )
