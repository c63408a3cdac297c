"""Tasks of videos, their outcomes, and the queue that turns one into the other.

The queue hands out the remaining segments of a long video once the first has shown how many there are, retries
transient failures after a while, and gives up a video that has cost two workers.

Segments that depend on one another are handed out one after the other: the outcome of each brings the next, with the
state of the network after it (`Segment.state`). Whatever becomes of a worker, what it costs is the segment that it was
at, or whose outcome had not arrived; where a segment fails, its video does.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

from typing_extensions import override

from cluster.engines.base import WorkerLoss, WorkQueue
from cluster.storage.forward_reads import is_next
from cluster.storage.redaction import redacted, redacted_uri
from cluster.storage.tar_members import TarPart, part_of
from extractors.features import is_hopeless
from extractors.segments import Segment
from schemas.failures import FailureRow
from schemas.outcomes import TRANSIENT, FailureCode, Stage
from schemas.videos import Video, content_of

BACKOFF_SECONDS = (1.0, 4.0, 16.0, 64.0)  # waits before the second to fifth attempt after a transient failure
KILLERS = frozenset({FailureCode.WORKER_DIED, FailureCode.TIME_LIMIT, FailureCode.MEMORY_LIMIT})
MAX_KILLS = 2

Features = TypeVar("Features")


@dataclass(frozen=True, slots=True)
class Task:
    """One segment of one video; without a segment, the first one of a video that has not been opened yet.

    Of a tar's member, `read_until` is the end of those after it in its batch, which one request may fetch together.
    """

    video: Video
    segment: Segment | None = None
    attempt: int = 1
    kills: int = 0  # workers lost in earlier attempts
    wants_thumbnail: bool = False
    read_until: int = 0

    @property
    def key(self) -> str:
        """Names the task within its run, whatever the attempt."""
        return f"{self.segment.index if self.segment else 0} {self.video.id}"

    @property
    def is_chained(self) -> bool:
        """Whether it goes on from an earlier segment, in which case no later one can go on without it."""
        return self.segment is not None and self.segment.state is not None

    def without_state(self) -> Task:
        """The same task as it stands in an outcome, where nobody needs the state from which it began."""
        if self.segment is None or self.segment.state is None:
            return self
        return replace(self, segment=replace(self.segment, state=None))

    @property
    def goes_alone(self) -> bool:
        """Whether its batch holds no other task: it may take long, or has cost a worker."""
        return self.segment is not None or self.kills > 0


@dataclass(frozen=True, slots=True)
class Done(Generic[Features]):
    """A segment's features, as the stage gives them.

    `others` are segments that follow from it: after the first segment of a video the remaining ones, or the next one
    alone where that goes on from its state. The queue takes them out.
    """

    task: Task
    features: Features
    others: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a task has no features."""

    task: Task
    code: FailureCode
    message: str
    stage: str

    @property
    def leaves_a_gap(self) -> bool:
        """Whether the video can do without it: one of its later segments cannot be decoded."""
        no_damage = (*TRANSIENT, FailureCode.TOO_LONG, FailureCode.INTERNAL)
        is_damage = self.stage == Stage.DECODE and self.code not in no_damage
        return is_damage and self.task.segment is not None and not self.task.is_chained


Outcome = Done[Any] | Failed


class TaskQueue(WorkQueue[Task, Outcome]):
    """Hands out tasks and takes their outcomes until every video is settled; `retried` are ids of videos.

    `videos` holds None where the next one is not known yet.
    """

    def __init__(
        self,
        videos: Iterable[Video | None],
        *,
        thumbnails: Iterable[str] = (),
        backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
    ) -> None:
        super().__init__()
        self._backoff_seconds = tuple(backoff_seconds)
        self._videos = iter(videos)
        self._is_drained = False
        self._thumbnails = frozenset(thumbnails)
        self._ready: deque[Task] = deque()
        self._waiting: list[tuple[float, int, Task]] = []  # (when, tie-breaker, task)
        self._order = count()
        self._given_up: set[str] = set()
        self._undecodable: Counter[str] = Counter()  # segments, by video
        self._in_flight = 0

    @property
    @override
    def is_over(self) -> bool:
        return self._in_flight == 0 and not self._waiting and not self._fill() and self._is_drained

    def take(self) -> Task | None:
        """The next task, or None when there is none right now (one may be waiting for its next attempt)."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            self._ready.append(heappop(self._waiting)[2])
        while self._fill():
            task = self._ready.popleft()
            if task.video.id not in self._given_up:
                self._in_flight += 1
                return task
        return None

    @override
    def useful_workers(self, available: int) -> int:
        return available  # how many videos are still to come is not known

    @override
    def take_batch(self, limit: int) -> list[Task]:
        batch: list[Task] = []
        while len(batch) < limit and (task := self.take()) is not None:
            if batch and task.goes_alone:
                self.give_back([task])
                break
            batch.append(task)
            if task.goes_alone:
                break
        return _in_sequence(batch)

    @override
    def give_back(self, tasks: Sequence[Task]) -> None:
        self._in_flight -= len(tasks)
        self._ready.extendleft(reversed(tasks))

    @override
    def settle(self, outcome: Outcome) -> Outcome | None:
        self._in_flight -= 1
        task = outcome.task
        if task.video.id in self._given_up:
            return None
        if isinstance(outcome, Done):
            self._ready.extendleft(Task(task.video, segment) for segment in reversed(outcome.others))
            return replace(outcome, others=()) if outcome.others else outcome
        if outcome.code in TRANSIENT and task.attempt <= len(self._backoff_seconds):
            self._retry(task, self._backoff_seconds[task.attempt - 1])
            return None
        if outcome.code in KILLERS and task.kills + 1 < MAX_KILLS:
            self._retry(replace(task, kills=task.kills + 1), 0.0)
            return None
        if task.segment is not None:
            self._undecodable[task.video.id] += 1
            if not outcome.leaves_a_gap or is_hopeless(self._undecodable[task.video.id], task.segment.count):
                self._given_up.add(task.video.id)
        return outcome

    @override
    def settle_lost(self, tasks: Sequence[Task], loss: WorkerLoss) -> list[Outcome]:
        settled = [self.settle(_worker_lost(task, loss)) for task in tasks]
        return [outcome for outcome in settled if outcome is not None]

    @property
    @override
    def queue_of(self) -> Callable[[Task], TaskQueue]:
        return partial(_queue_of, backoff_seconds=self._backoff_seconds)

    def _retry(self, task: Task, delay_seconds: float) -> None:
        self.retried.add(task.video.id)
        heappush(
            self._waiting,
            (time.monotonic() + delay_seconds, next(self._order), replace(task, attempt=task.attempt + 1)),
        )

    def _fill(self) -> bool:
        """Whether a task is ready."""
        if not self._ready and not self._is_drained:
            try:
                video = next(self._videos)
            except StopIteration:
                self._is_drained = True
            else:
                if video is not None:
                    self._ready.append(Task(video, wants_thumbnail=video.id in self._thumbnails))
        return bool(self._ready)


def _queue_of(task: Task, backoff_seconds: Sequence[float]) -> TaskQueue:
    queue = TaskQueue((), backoff_seconds=backoff_seconds)
    queue._ready.append(task)
    return queue


def _in_sequence(batch: list[Task]) -> list[Task]:
    """The tasks, with what they know of those after them."""
    following: TarPart | None = None
    until, sequence = 0, []
    for task in reversed(batch):
        part = part_of(task.video.uri)
        if part is not None:
            is_followed = following is not None and is_next(part, following)
            until = until if is_followed else part.end
            task = replace(task, read_until=until)
        following = part
        sequence.append(task)
    return sequence[::-1]


def time_exceeded(task: Task, limit_seconds: float) -> Failed:
    """The outcome of a task that took too long."""
    message = f"one segment of it took more than {limit_seconds:g} s (--time-limit)"
    return Failed(task, FailureCode.TIME_LIMIT, message, Stage.DECODE)


def memory_exceeded(task: Task, limit_bytes: int) -> Failed:
    """The outcome of a task that took too much memory."""
    message = f"one segment of it took more than {limit_bytes >> 20} MiB (--memory-limit-mib)"
    return Failed(task, FailureCode.MEMORY_LIMIT, message, Stage.DECODE)


def _worker_lost(task: Task, loss: WorkerLoss) -> Failed:
    if loss.exceeded_seconds is not None:
        return time_exceeded(task, loss.exceeded_seconds)
    if loss.exceeded_bytes is not None:
        return memory_exceeded(task, loss.exceeded_bytes)
    message = "the process that decoded it died (a crash in the decoder, or out of memory)"
    return Failed(task, FailureCode.WORKER_DIED, message, Stage.DECODE)


def failure_row(failed: Failed, run_id: str) -> FailureRow:
    """The row of a video that failed."""
    video = failed.task.video
    return FailureRow(
        id=video.id,
        uri=redacted_uri(video.uri),
        stage=failed.stage,
        code=failed.code,
        message=redacted(failed.message),
        attempts=failed.task.attempt,
        run_id=run_id,
        content=content_of(video),
    )
