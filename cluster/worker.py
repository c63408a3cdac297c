"""The stage that every engine runs: a task → its outcome. The one boundary where a bad video becomes a row."""

from __future__ import annotations

import resource
import traceback

from cluster.storage import open_video
from cluster.tasks import Done, Failed, Outcome, Task
from extractors.extract import Extractor
from schemas.outcomes import FailureCode, VideoError

INTERNAL_MESSAGE_CHARACTERS = 2_000


class Worker:
    """Opens, decodes and embeds. Cheap to make and to pickle; `setup` loads the networks, once per process.

    `memory_bytes` is how much a video may take beyond what the process holds after `setup`; None for no limit.
    """

    def __init__(self, extractor: Extractor, memory_bytes: int | None = None) -> None:
        self.extractor = extractor
        self._memory_bytes = memory_bytes

    def setup(self) -> None:
        """Load the networks, then have the kernel hold this process to its memory."""
        self.extractor.setup()
        if self._memory_bytes is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + self._memory_bytes, hard))

    def files(self) -> list[str]:
        """Paths of the files that `setup` reads."""
        embedders = (self.extractor.frames, self.extractor.sound)
        parts = [part for embedder in embedders for part in (embedder.config.weights, embedder.config.pca)]
        return [part.path for part in parts if part is not None and part.path is not None]

    def with_extractor(self, extractor: Extractor) -> Worker:
        """The same worker around another extractor."""
        return Worker(extractor, self._memory_bytes)

    def __call__(self, task: Task) -> Outcome:
        """The features of a task, or why there are none; never raises because of a video."""
        try:
            with open_video(task.video.uri) as source:
                features, others = self.extractor(source, task.video, task.segment, with_thumbnail=task.wants_thumbnail)
            return Done(task, features, tuple(others))
        except VideoError as error:
            return Failed(task, error.code, error.message, error.stage)
        except MemoryError:
            return Failed(
                task, FailureCode.MEMORY_LIMIT, "decoding it takes more memory than a worker may use", "decode"
            )
        except Exception:
            report = traceback.format_exc()[-INTERNAL_MESSAGE_CHARACTERS:]
            return Failed(task, FailureCode.INTERNAL, f"an error in this program: {report}", "decode")


def _data_bytes() -> int:
    """Private writable memory of this process, as the kernel counts it for RLIMIT_DATA."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024
