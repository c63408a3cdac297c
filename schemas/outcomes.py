"""What can become of a video: the codes that stand in `failures/*.parquet`, and the one exception that carries them.

A code says whose fault it is. Permanent codes stay until `--retry-failed` asks again; transient ones are retried within
the run, because the same bytes may well succeed on the next attempt.
"""

from __future__ import annotations

from enum import StrEnum


class FailureCode(StrEnum):
    """Why a video has no feature row. The value is what the shard stores."""

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
    """Where on its way a video failed."""

    READ = "read"
    DECODE = "decode"


class VideoError(Exception):
    """A video cannot be processed; the run goes on and the code ends as a row in `failures/`.

    The message is for a person: what is wrong with this file, and what they can do about it.
    """

    def __init__(self, code: FailureCode, message: str, stage: Stage = Stage.DECODE) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.stage = stage

    def __reduce__(self) -> tuple[type[VideoError], tuple[FailureCode, str, Stage]]:
        # Exceptions cross process borders by calling the class with `args`, which hold the message alone.
        return type(self), (self.code, self.message, self.stage)
