"""The stage that every engine runs: a task → its outcome. The one boundary where a bad video becomes a row."""

from __future__ import annotations

import traceback

from cluster.redaction import redacted
from cluster.remote_video import open_video
from cluster.task_guard import MemoryExceededError, TaskGuard, TimeExceededError
from cluster.tasks import Done, Failed, Outcome, Task
from extractors.extract import Extractor
from schemas.outcomes import FailureCode, Stage, VideoError

INTERNAL_MESSAGE_CHARACTERS = 2_000


class Worker:
    """Opens, decodes and embeds. Cheap to make and to pickle; `setup` loads the networks, once per process.

    `memory_bytes` is how much a task may take beyond what the process holds before it, `time_seconds` how long.
    """

    def __init__(self, extractor: Extractor, memory_bytes: int, time_seconds: float) -> None:
        self.extractor = extractor
        self._memory_bytes = memory_bytes
        self._time_seconds = time_seconds

    def setup(self) -> None:
        """Load the networks."""
        self.extractor.setup()

    def files(self) -> list[str]:
        """Paths of the files that `setup` reads."""
        embedders = (self.extractor.frames, self.extractor.sound)
        parts = [part for embedder in embedders for part in (embedder.config.weights, embedder.config.pca)]
        return [part.path for part in parts if part is not None and part.path is not None]

    def with_extractor(self, extractor: Extractor) -> Worker:
        """The same worker around another extractor."""
        return Worker(extractor, self._memory_bytes, self._time_seconds)

    def __call__(self, task: Task) -> Outcome:
        """The features of a task, or why there are none; never raises because of a video."""
        try:
            with TaskGuard(self._memory_bytes, self._time_seconds), open_video(task.video.uri) as source:
                features, others = self.extractor(source, task.video, task.segment, with_thumbnail=task.wants_thumbnail)
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
