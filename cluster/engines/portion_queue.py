"""The queue of portions: parts of a known whole, each carried out in one go, whose outcomes are always final.

A portion's own bad files are part of its outcome. One that keeps losing its workers ends the run: unlike a video, it
cannot be left out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from typing_extensions import override

from cluster.engines.base import EngineError, OutcomeT, WorkerLoss, WorkQueue

MAX_LOSSES = 5  # of workers with the same portion at their head


class Numbered(Protocol):
    """A portion, as far as its queue knows it."""

    @property
    def number(self) -> int:
        """Which one it is."""
        ...


PortionT = TypeVar("PortionT", bound=Numbered)


class PortionQueue(WorkQueue[PortionT, OutcomeT]):
    """Hands out portions until each has its outcome."""

    def __init__(self, portions: Iterable[PortionT]) -> None:
        super().__init__()
        self._waiting = deque(portions)
        self._in_flight = 0
        self._losses: Counter[int] = Counter()

    @property
    @override
    def is_over(self) -> bool:
        return not self._waiting and not self._in_flight

    @property
    def retried(self) -> set[int]:
        """Numbers of the portions that have cost a worker."""
        return set(self._losses)

    @override
    def useful_workers(self, available: int) -> int:
        return min(available, len(self._waiting) + self._in_flight)

    @override
    def take_batch(self, limit: int) -> list[PortionT]:
        if not self._waiting:
            return []
        self._in_flight += 1
        return [self._waiting.popleft()]  # large enough to be a batch

    @override
    def give_back(self, tasks: Sequence[PortionT]) -> None:
        self._in_flight -= len(tasks)
        self._waiting.extendleft(reversed(tasks))

    @override
    def settle(self, outcome: OutcomeT) -> OutcomeT:
        self._in_flight -= 1
        return outcome

    @override
    def settle_lost(self, tasks: Sequence[PortionT], loss: WorkerLoss) -> list[OutcomeT]:
        self.give_back(tasks)
        for portion in tasks:
            self._losses[portion.number] += 1
            if self._losses[portion.number] >= MAX_LOSSES:
                raise EngineError(
                    f"portion {portion.number} has lost its worker {MAX_LOSSES} times (a crash, or out of memory); "
                    f"the last time: {loss.error}\nWhat is committed stays: fix this and run again"
                )
        return []
