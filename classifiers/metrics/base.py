"""The base class of streaming metrics.

In: `ScoredBatch`es, in any order. Workers send their `state` to one of them, which `merge`s it: the result does not
depend on how the videos were distributed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from classifiers.metrics.scored_batch import ScoredBatch


class StreamingMetric(ABC):
    """A metric that is updated batch by batch."""

    @abstractmethod
    def update(self, batch: ScoredBatch) -> None:
        """Add the videos of a batch."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """The accumulated state, as plain arrays that can be sent to another process."""

    @abstractmethod
    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add the `state` of another worker."""
