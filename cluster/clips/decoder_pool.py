"""A pool of decoder processes that decodes clips ahead of their reader, in order.

In: `ClipTask`s or `MouthTask`s. Out: for each, in order, uint8 (T, H, W, C), or the `VideoError` that says why there is
none.

A video whose decoder crashes or hangs gets a second attempt in a new process; other videos are not affected
(`cluster.engines.guarded_processes`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from cluster.clips.guarded_decode import Outcome
from cluster.engines.guarded_processes import GuardedProcesses, ProcessFailure, Request, Response
from cluster.engines.task_guard import GUARD_SECONDS
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video

# What children run.
CLIPS, MOUTHS = "cluster.clips.decoder", "cluster.clips.mouth_decoder"
DEPTH = 2  # tasks of a process: one in work, one queued
AHEAD = 4  # clips for each process that are decoded or being decoded, and not yet taken
ATTEMPTS = 2

FAILURES = {
    ProcessFailure.DIED: (FailureCode.WORKER_DIED, "crashed on it"),
    ProcessFailure.HUNG: (FailureCode.TIME_LIMIT, "did not finish it (--time-limit)"),
    ProcessFailure.OUT_OF_MEMORY: (FailureCode.MEMORY_LIMIT, "ran out of memory on it (--memory-limit-mib)"),
}


class Task(Protocol):
    """A task of either decoder."""

    @property
    def video(self) -> Video:
        """What to decode."""

    @property
    def time_seconds(self) -> float:
        """The most time that it may take."""

    @property
    def size_bytes(self) -> int:
        """The most bytes of its outcome."""

    @property
    def fallback(self) -> Any:
        """What the next attempt does otherwise, after which an error counts; None for nothing."""

    def again(self) -> Self:
        """The next attempt."""

    def encoded(self) -> bytes:
        """The request to a child."""

    def outcome_of(self, response: Response) -> Outcome:
        """The outcome that a child has answered with."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An attempt at the task with this position in the input."""

    position: int
    task: Task
    number: int = 1

    def next(self) -> _Attempt:
        return _Attempt(self.position, self.task.again(), self.number + 1)


class ClipDecoderPool:
    """`count` processes of `decoder`, which start with the first task and serve one caller of `decode` at a time."""

    def __init__(self, count: int, decoder: str = CLIPS) -> None:
        self._count = count
        self._processes: GuardedProcesses[_Attempt] = GuardedProcesses(decoder, count, depth=DEPTH)
        self._is_busy = False

    def decode(self, tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
        """The outcome of each task, in order. Raises `RuntimeError` while another caller is being served."""
        if self._is_busy:
            raise RuntimeError("these decoders are at work for another caller, whose clips would be mixed up")
        self._is_busy = True
        attempts = (_Attempt(position, task) for position, task in enumerate(tasks))
        retries: deque[_Attempt] = deque()
        outcomes: dict[int, Outcome] = {}
        sent = taken = 0
        try:
            while True:
                while self._processes.has_room and (retries or sent - taken < AHEAD * self._count):
                    attempt = retries.popleft() if retries else next(attempts, None)
                    if attempt is None:
                        break
                    sent = max(sent, attempt.position + 1)
                    self._send(attempt)
                if taken in outcomes:
                    yield outcomes.pop(taken)
                    taken += 1
                elif self._processes.pending:
                    self._receive(outcomes, retries)
                else:
                    return
        finally:
            while self._processes.pending:  # a reader that stops early leaves some
                self._receive(outcomes, retries)
            self._is_busy = False

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    def _send(self, attempt: _Attempt) -> None:
        task = attempt.task
        limit_seconds = task.time_seconds + GUARD_SECONDS
        self._processes.send(Request(attempt, task.encoded(), limit_seconds, task.size_bytes))

    def _receive(self, outcomes: dict[int, Outcome], retries: deque[_Attempt]) -> None:
        """Wait for responses, and add `outcomes` by position, or `retries`."""
        for attempt, found in self._processes.receive():
            if isinstance(found, ProcessFailure):
                if attempt.number < ATTEMPTS:
                    retries.append(attempt.next())
                else:
                    code, happened = FAILURES[found]
                    message = f"{ATTEMPTS} decoders in a row {happened}: the file is damaged, bring another copy of it"
                    outcomes[attempt.position] = VideoError(code, message)
                continue
            outcome = attempt.task.outcome_of(found)
            if isinstance(outcome, VideoError) and attempt.task.fallback is not None:
                retries.append(attempt.next())
            else:
                outcomes[attempt.position] = outcome
