"""The worker for videos: a task → its outcome. The one boundary where a bad video becomes a row."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from typing_extensions import override

from cluster.engines.base import Resources, Worker
from cluster.engines.stage import Network, VideoStage
from cluster.engines.task_guard import MemoryExceededError, TaskGuard, TimeExceededError
from cluster.engines.tasks import Done, Failed, Outcome, Task, memory_exceeded, time_exceeded
from cluster.runs.lifecycle import internal_error
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.video_source import open_video
from extractors.video.media import Source
from schemas.outcomes import FailureCode, Stage, VideoError

StageT = TypeVar("StageT", bound=VideoStage)


class VideoWorker(Worker[Task, Outcome], Generic[StageT]):
    """Opens a video and has a stage process it, in one thread.

    `memory_bytes` is how much a task may take beyond what the process holds before it, `time_seconds` how long;
    `policy` is how far reading its video goes.
    """

    def __init__(self, stage: StageT, memory_bytes: int, time_seconds: float, policy: ReadPolicy = STRICT) -> None:
        self.stage = stage
        self._policy = policy
        self._memory_bytes = memory_bytes
        self._time_seconds = time_seconds

    @property
    @override
    def resources(self) -> Resources:
        # GPUs are for its networks, in a pool of their own.
        return Resources(time_limit_seconds=self._time_seconds, memory_limit_bytes=self._memory_bytes)

    @property
    @override
    def outcome_type(self) -> Any:
        return Done[self.stage.result_type] | Failed  # type: ignore[name-defined]  # known when it runs

    @property
    @override
    def networks(self) -> Mapping[str, Network]:
        return self.stage.networks

    @override
    def with_networks(self, networks: Mapping[str, Network]) -> VideoWorker[StageT]:
        return VideoWorker(self.stage.with_networks(networks), self._memory_bytes, self._time_seconds, self._policy)

    @override
    def setup(self) -> None:
        self.stage.setup()

    def _opened(self, task: Task) -> AbstractContextManager[Source]:
        video, is_first = task.video, task.segment is None or task.segment.index == 0
        return open_video(
            video.uri,
            policy=self._policy,
            size_bytes=video.size_bytes,
            reads_all=is_first,
            read_until=task.read_until,
            version=video.version,
        )

    @override
    def __call__(self, task: Task) -> Outcome:
        """The stage's result, or why there is none; never raises because of a video."""
        try:
            guard = TaskGuard(self._memory_bytes, self._time_seconds)
            with guard, self._opened(task) as source:
                features, others = self.stage(source, task.video, task.segment, with_thumbnail=task.wants_thumbnail)
            return Done(task.without_state(), features, tuple(others))
        except VideoError as error:
            return Failed(task, error.code, error.message, error.stage)
        except (MemoryError, MemoryExceededError):
            return memory_exceeded(task, self._memory_bytes)
        except TimeExceededError:
            return time_exceeded(task, self._time_seconds)
        except Exception:
            return Failed(task, FailureCode.INTERNAL, internal_error(), Stage.DECODE)
