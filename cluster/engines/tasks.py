"""What an engine is given to do, what comes back, and the queue between them.

The queue is the same for every engine: it cuts long videos into segments when the first has told how many there are,
tries transient failures again after a while, and gives a video up that has killed its worker twice.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

from cluster.storage.redaction import redacted
from extractors.features import is_hopeless
from extractors.segments import Segment
from schemas.failures import FailureRow
from schemas.outcomes import TRANSIENT, FailureCode, Stage
from schemas.videos import Video, content_of

BACKOFF_SECONDS = (1.0, 4.0, 16.0, 64.0)  # waits before the second to fifth attempt at what may pass
KILLERS = frozenset({FailureCode.WORKER_DIED, FailureCode.TIME_LIMIT, FailureCode.MEMORY_LIMIT})
MAX_KILLS = 2

Features = TypeVar("Features")


@dataclass(frozen=True, slots=True)
class Task:
    """One segment of one video; without a segment, the first one of a video that nobody has looked at yet."""

    video: Video
    segment: Segment | None = None
    attempt: int = 1
    kills: int = 0  # workers that earlier attempts have cost
    wants_thumbnail: bool = False

    @property
    def goes_alone(self) -> bool:
        """Whether a worker is to get no other with it: it may take long, or has cost a worker."""
        return self.segment is not None or self.kills > 0


@dataclass(frozen=True, slots=True)
class Done(Generic[Features]):
    """A segment's features, as the stage gives them.

    `others` are the video's remaining segments, where this was its first look.
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
        """Whether the video can do without: one of its later segments cannot be decoded."""
        is_damage = self.stage == Stage.DECODE and self.code not in (*TRANSIENT, FailureCode.INTERNAL)
        return is_damage and self.task.segment is not None


Outcome = Done[Any] | Failed


class TaskQueue:
    """Hands out tasks and takes their outcomes, until every video is settled."""

    def __init__(
        self,
        videos: Iterable[Video],
        *,
        thumbnails: Iterable[str] = (),
        backoff_seconds: Sequence[float] = BACKOFF_SECONDS,
    ) -> None:
        self._backoff_seconds = tuple(backoff_seconds)
        self._videos = iter(videos)
        self._thumbnails = frozenset(thumbnails)
        self._ready: deque[Task] = deque()
        self._waiting: list[tuple[float, int, Task]] = []  # (when, tie-breaker, task)
        self._order = count()
        self._given_up: set[str] = set()
        self._lost: Counter[str] = Counter()  # segments that cannot be decoded
        self._in_flight = 0
        self.retried: set[str] = set()
        self.workers_lost = 0  # what the engine lost while it was at it
        self.nodes_lost: set[str] = set()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do and nothing is being done."""
        return self._in_flight == 0 and not self._waiting and not self._fill()

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

    def take_handful(self, limit: int) -> list[Task]:
        """The next tasks for one worker, at most `limit`; empty when there is none right now."""
        handful: list[Task] = []
        while len(handful) < limit and (task := self.take()) is not None:
            if handful and task.goes_alone:
                self.give_back([task])
                break
            handful.append(task)
            if task.goes_alone:
                break
        return handful

    def give_back(self, tasks: Sequence[Task]) -> None:
        """Return tasks that were not carried out, through no fault of their own."""
        self._in_flight -= len(tasks)
        self._ready.extendleft(reversed(tasks))

    def settle(self, outcome: Outcome) -> Outcome | None:
        """Take an outcome; returns it if it is final, None if the task will be tried again or its video is given up."""
        self._in_flight -= 1
        task = outcome.task
        if task.video.id in self._given_up:
            return None
        if isinstance(outcome, Done):
            self._ready.extendleft(Task(task.video, segment) for segment in reversed(outcome.others))
            return outcome
        if outcome.code in TRANSIENT and task.attempt <= len(self._backoff_seconds):
            self._try_again(task, self._backoff_seconds[task.attempt - 1])
            return None
        if outcome.code in KILLERS and task.kills + 1 < MAX_KILLS:
            self._try_again(replace(task, kills=task.kills + 1), 0.0)
            return None
        if task.segment is not None:
            self._lost[task.video.id] += 1
            if not outcome.leaves_a_gap or is_hopeless(self._lost[task.video.id], task.segment.count):
                self._given_up.add(task.video.id)
        return outcome

    def _try_again(self, task: Task, delay_seconds: float) -> None:
        self.retried.add(task.video.id)
        heappush(
            self._waiting,
            (time.monotonic() + delay_seconds, next(self._order), replace(task, attempt=task.attempt + 1)),
        )

    def _fill(self) -> bool:
        if not self._ready:
            video = next(self._videos, None)
            if video is not None:
                self._ready.append(Task(video, wants_thumbnail=video.id in self._thumbnails))
        return bool(self._ready)


def failure_row(failed: Failed, run_id: str) -> FailureRow:
    """What is kept of a video that failed."""
    video = failed.task.video
    return FailureRow(
        id=video.id,
        uri=redacted(video.uri),
        stage=failed.stage,
        code=failed.code,
        message=redacted(failed.message),
        attempts=failed.task.attempt,
        run_id=run_id,
        content=content_of(video),
    )
