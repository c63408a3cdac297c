"""The queue of portions: parts of a known whole, each carried out in one go, whose outcomes are always final.

A portion's own bad files are part of its outcome. One that keeps losing its workers ends the run: unlike a video, it
cannot be left out.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from typing_extensions import override

from cluster.engines.base import EngineError, OutcomeT, TaskT, WorkerLoss, WorkQueue

MAX_LOSSES = 5  # of workers with the same portion at their head


class PortionQueue(WorkQueue[TaskT, OutcomeT]):
    """Hands out portions until each has its outcome."""

    def __init__(self, portions: Iterable[TaskT]) -> None:
        super().__init__()
        self._waiting = deque(portions)
        self._in_flight = 0
        self._losses: Counter[str] = Counter()

    @property
    @override
    def is_over(self) -> bool:
        return not self._waiting and not self._in_flight

    @property
    @override
    def queue_of(self) -> Callable[[TaskT], PortionQueue[TaskT, OutcomeT]]:
        return _queue_of

    @override
    def useful_workers(self, available: int) -> int:
        return min(available, len(self._waiting) + self._in_flight)

    @override
    def take_batch(self, limit: int) -> list[TaskT]:
        if not self._waiting:
            return []
        self._in_flight += 1
        return [self._waiting.popleft()]  # large enough to be a batch

    @override
    def give_back(self, tasks: Sequence[TaskT]) -> None:
        self._in_flight -= len(tasks)
        self._waiting.extendleft(reversed(tasks))

    @override
    def settle(self, outcome: OutcomeT) -> OutcomeT:
        self._in_flight -= 1
        return outcome

    @override
    def settle_lost(self, tasks: Sequence[TaskT], loss: WorkerLoss) -> list[OutcomeT]:
        self.give_back(tasks)
        for portion in tasks:
            self.retried.add(portion.key)
            self._losses[portion.key] += 1
            if self._losses[portion.key] >= MAX_LOSSES:
                raise EngineError(
                    f"portion {portion.key} has lost its worker {MAX_LOSSES} times (a crash, or out of memory); "
                    f"the last time: {loss.error}\nWhat is committed stays: fix this and run again"
                )
        return []


def _queue_of(portion: TaskT) -> PortionQueue[TaskT, OutcomeT]:
    return PortionQueue([portion])
