"""What is said of videos, one after the other → portions of labels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cluster.clip_scorer import ClipScores
from cluster.increment import content_of
from cluster.scored_portion import LabelWriter, ScoredPortion
from schemas.failures import FailureRow
from schemas.videos import Video


@dataclass
class ClipLabels:
    """Collects videos and failures until there are enough for a shard of about `rows_per_shard`."""

    writer: LabelWriter
    rows_per_shard: int
    _number: int = 0
    _done: list[tuple[Video, ClipScores]] = field(default_factory=list)
    _failures: list[FailureRow] = field(default_factory=list)

    def add(self, video: Video, scores: ClipScores) -> None:
        """Take a video."""
        self._done.append((video, scores))

    def add_failure(self, row: FailureRow) -> None:
        """Take one that failed."""
        self._failures.append(row)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to hand out."""
        return not self._done and not self._failures

    @property
    def is_full(self) -> bool:
        """Whether there is enough of one of the two."""
        return max(len(self._done), len(self._failures)) >= self.rows_per_shard

    def portion(self) -> ScoredPortion:
        """What has been collected. Until it is cleared, the next is the same with more in it, under its number."""
        k = len(self._done[0][1].places) if self._done else 1
        return self.writer.portion(
            self._number,
            pa.array([video.id for video, _ in self._done], pa.string()),
            pa.array([content_of(video) for video, _ in self._done], pa.string()),
            np.array([scores.places for _, scores in self._done], np.intp).reshape(-1, k),
            np.array([scores.scores for _, scores in self._done], np.float32).reshape(-1, k),
            failures=tuple(self._failures),
        )

    def clear(self) -> None:
        """Begin the next portion: this one is where it should be."""
        self._number, self._done, self._failures = self._number + 1, [], []
