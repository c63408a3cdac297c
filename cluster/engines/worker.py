"""What every engine runs: a task → its outcome. The one boundary where a bad video becomes a row."""

from __future__ import annotations

import traceback
from typing import Generic, TypeVar

from cluster.engines.stage import VideoStage
from cluster.engines.task_guard import MemoryExceededError, TaskGuard, TimeExceededError
from cluster.engines.tasks import Done, Failed, Outcome, Task
from cluster.storage.redaction import redacted
from cluster.storage.video_source import open_video
from schemas.outcomes import FailureCode, Stage, VideoError

INTERNAL_MESSAGE_CHARACTERS = 2_000

StageT = TypeVar("StageT", bound=VideoStage)


class Worker(Generic[StageT]):
    """Opens a video and has a stage look at it.

    Cheap to make and to pickle; `setup` loads the networks, once per process.

    `memory_bytes` is how much a task may take beyond what the process holds before it, `time_seconds` how long.
    """

    def __init__(self, stage: StageT, memory_bytes: int, time_seconds: float) -> None:
        self.stage = stage
        self._memory_bytes = memory_bytes
        self._time_seconds = time_seconds

    def setup(self) -> None:
        """Load the networks."""
        self.stage.setup()

    def files(self) -> list[str]:
        """Paths of the files that `setup` reads."""
        return [path for network in self.stage.networks.values() for path in network.files()]

    def with_stage(self, stage: StageT) -> Worker[StageT]:
        """The same worker around another stage."""
        return Worker(stage, self._memory_bytes, self._time_seconds)

    def __call__(self, task: Task) -> Outcome:
        """What the stage makes of a task, or why it is nothing; never raises because of a video."""
        try:
            with TaskGuard(self._memory_bytes, self._time_seconds), open_video(task.video.uri) as source:
                features, others = self.stage(source, task.video, task.segment, with_thumbnail=task.wants_thumbnail)
            return Done(task, features, tuple(others))
        except VideoError as error:
            return Failed(task, error.code, error.message, error.stage)
        except (MemoryError, MemoryExceededError):
            message = f"one segment of it took more than {self._memory_bytes >> 20} MiB (--memory-limit-mib)"
            return Failed(task, FailureCode.MEMORY_LIMIT, message, Stage.DECODE)
        except TimeExceededError:
            message = f"one segment of it took more than {self._time_seconds:g} s (--time-limit)"
            return Failed(task, FailureCode.TIME_LIMIT, message, Stage.DECODE)
        except Exception:
            report = redacted(traceback.format_exc())[-INTERNAL_MESSAGE_CHARACTERS:]
            return Failed(task, FailureCode.INTERNAL, f"an error in this program: {report}", Stage.DECODE)
