"""hit@1 after each frame of a clip: how early a stream network knows.

In: logits (N, T, K) of every frame, and targets as in `ScoredBatch`. Out: the share of videos whose top class is one of
their labels, after each of the T frames. N videos, T frames, K classes.

State: T + 1 numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from classifiers.metrics.scored_batch import ScoredBatch


class FrameHits:
    """Counts of correct videos by frame."""

    def __init__(self, frames: int) -> None:
        self._hits: NDArray[np.int64] = np.zeros(frames, np.int64)
        self.videos = 0

    def update(self, logits: ArrayLike, targets: ArrayLike) -> None:
        """Add a batch of N videos."""
        for number, of_frame in enumerate(np.moveaxis(np.asarray(logits), 1, 0)):
            batch = ScoredBatch(of_frame, targets)
            self._hits[number] += batch.are_correct(batch.top_class[:, None]).sum()
        self.videos += len(np.asarray(logits))

    def state(self) -> dict[str, NDArray[Any]]:
        """The accumulated state, to be sent to another process."""
        return {"hits": self._hits, "videos": np.asarray(self.videos)}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add the `state` of another worker."""
        self._hits = self._hits + state["hits"]
        self.videos += int(state["videos"])

    def shares(self) -> tuple[float, ...]:
        """The share of correct videos after each frame."""
        return tuple((self._hits / max(self.videos, 1)).tolist())
