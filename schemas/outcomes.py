"""Failures of videos: the codes in `failures/*.parquet`, and the exception that carries them.

A code says whose fault it is. Permanent failures stay until `--retry-failed` takes them up; transient ones are retried
within the run, because the same bytes may succeed on the next attempt.
"""

from __future__ import annotations

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
    ABSURD_DIMENSIONS = "absurd_dimensions"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    WORKER_DIED = "worker_died"
    STORAGE = "storage"
    INTERNAL = "internal"


TRANSIENT: frozenset[FailureCode] = frozenset({FailureCode.STORAGE})


class Stage(StrEnum):
    """Stage at which a video failed."""

    READ = "read"
    DECODE = "decode"


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
