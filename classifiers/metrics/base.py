"""The base class of streaming metrics.

In: `ScoredBatch`es, in any order. Workers send their `state` to one of them, which `merge`s it: the result does not
depend on how the videos were distributed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from typing_extensions import override

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


class SumMetric(StreamingMetric):
    """A metric whose state is arrays that `update` adds to."""

    def __init__(self, sums: Mapping[str, NDArray[Any]]) -> None:
        self._sums = dict(sums)

    @override
    def state(self) -> dict[str, NDArray[Any]]:
        return {name: values.copy() for name, values in self._sums.items()}

    @override
    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        for name in self._sums:
            self._sums[name] = self._sums[name] + state[name]
