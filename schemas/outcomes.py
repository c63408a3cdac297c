"""Failures of videos: the codes in `failures/*.parquet`, and the exception that carries them.

A code says whose fault it is. Permanent failures stay until `--retry-failed` takes them up; transient ones are retried
within the run, because the same bytes may succeed on the next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class FailureCode(StrEnum):
    """Reason why a video has no feature row; the value is stored in the shard."""

    MISSING = "missing"
    NO_PERMISSION = "no_permission"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    NO_VIDEO_STREAM = "no_video_stream"
    UNSUPPORTED_CODEC = "unsupported_codec"
    NO_DECODABLE_FRAME = "no_decodable_frame"
    ENCRYPTED = "encrypted"
    NO_FACE = "no_face"
    ABSURD_DIMENSIONS = "absurd_dimensions"
    TOO_LONG = "too_long"
    COPY_LIMIT = "copy_limit"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    WORKER_DIED = "worker_died"
    STORAGE = "storage"
    INTERNAL = "internal"


# Failures that another attempt at the same file may mend, and when. All others need another file, which the next run
# notices by itself.
RETRY_HELPS: Mapping[FailureCode, str] = {
    FailureCode.MISSING: "once they are there",
    FailureCode.NO_PERMISSION: "once they can be read",
    FailureCode.ABSURD_DIMENSIONS: "with a higher limit",
    FailureCode.TOO_LONG: "with a higher limit",
    FailureCode.COPY_LIMIT: "with a higher limit",
    FailureCode.TIME_LIMIT: "with a higher limit",
    FailureCode.MEMORY_LIMIT: "with a higher limit",
    FailureCode.WORKER_DIED: "with more memory, or another build of the decoder",
    FailureCode.STORAGE: "once storage responds",
    FailureCode.INTERNAL: "with another release",
}
TRANSIENT: frozenset[FailureCode] = frozenset({FailureCode.STORAGE})


class Stage(StrEnum):
    """Stage at which a video failed."""

    READ = "read"
    DECODE = "decode"
    WRITE = "write"


class VideoError(Exception):
    """A video cannot be processed: it becomes a row in `failures/`, and the run continues.

    The message is for a person: what is wrong with this file, and the remedy.
    """

    def __init__(self, code: FailureCode, message: str, stage: Stage = Stage.DECODE) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.stage = stage

    def __reduce__(self) -> tuple[type[VideoError], tuple[FailureCode, str, Stage]]:
        # Unpickling calls the class with `args`, which hold the message alone.
        return type(self), (self.code, self.message, self.stage)
