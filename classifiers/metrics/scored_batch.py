"""Videos with the scores that a classifier gave them and the classes that they have: what every metric takes.

scores   (N, K) float, finite: probabilities
targets  (N,) integers, one class each; or (N, K) of 0 and 1, any number of classes each

N videos, K classes. The arrays are numpy's, or CPU tensors of torch, which numpy takes as they are.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ScoredBatch:
    """N videos, checked once, so that many metrics can be fed with them."""

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
        """K."""
        return int(self.scores.shape[1])

    @property
    def is_single_label(self) -> bool:
        """Whether each video has exactly one class, given by its index."""
        return self.targets.ndim == 1

    @cached_property
    def best(self) -> NDArray[np.intp]:
        """(N,), the class with the highest score, the first of several."""
        best: NDArray[np.intp] = np.argmax(self.scores, axis=1)
        return best

    @cached_property
    def labels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Every label: the positions of the videos and the classes, in the order of the videos."""
        if self.is_single_label:
            return np.arange(len(self)), self.targets.astype(np.intp)
        videos, classes = np.nonzero(self.targets)
        return videos, classes

    @cached_property
    def labels_per_video(self) -> NDArray[np.intp]:
        """(N,)."""
        return np.bincount(self.labels[0], minlength=len(self))

    @cached_property
    def support(self) -> NDArray[np.intp]:
        """(K,), how many videos have each class."""
        return np.bincount(self.labels[1], minlength=self.num_classes)

    def are_right(self, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of the classes (N, k) their videos have."""
        if self.is_single_label:
            are_right: NDArray[np.bool_] = classes == self.targets[:, None]
            return are_right
        return np.take_along_axis(self.targets, classes, axis=1).astype(bool)


def _checked_targets(targets: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.integer] | NDArray[np.bool_]:
    num_videos, num_classes = shape
    if targets.shape == (num_videos,) and targets.dtype.kind in "iu":
        outside = targets[(targets < 0) | (targets >= num_classes)]
        if outside.size:
            raise ValueError(f"target {outside[0]} is no class: there are {num_classes}, counted from 0")
        return targets
    if targets.shape == shape and targets.dtype.kind in "biuf":
        positive: NDArray[np.bool_] = targets.astype(bool)
        if (positive != targets).any():
            raise ValueError(f"targets hold {targets[positive != targets][0]}; those of shape (N, K) are 0 or 1")
        return positive
    raise ValueError(
        f"targets are {targets.dtype} {targets.shape}, expected integers of shape ({num_videos},) or 0 and 1 of "
        f"shape {shape}"
    )
