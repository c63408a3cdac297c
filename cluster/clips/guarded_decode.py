"""The common part of decoders: the guard around one task, and its outcome on the way from a child to the pool.

In: a task, and the function that decodes it. Out: uint8 (T, H, W, C), or a `VideoError`. The guard stops a decoder that
takes too much memory or time (`cluster.engines.task_guard`); a crash takes the process, and the pool replaces it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.engines.guarded_processes import Response
from cluster.engines.task_guard import MemoryExceededError, TaskGuard, TimeExceededError
from cluster.storage.read_policy import ReadPolicy
from cluster.storage.redaction import redacted
from cluster.storage.video_source import open_video
from extractors.video.media import Source
from schemas import strict_json
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.videos import Video

MESSAGE_CHARACTERS = 2_000

Frames = NDArray[np.uint8]
Outcome = Frames | VideoError


class Limited(Protocol):
    """A task with its limits."""

    @property
    def video(self) -> Video:
        """What to decode."""

    @property
    def memory_bytes(self) -> int:
        """The most memory."""

    @property
    def time_seconds(self) -> float:
        """The most time."""

    @property
    def policy(self) -> ReadPolicy:
        """How far reading the video goes."""


def guarded_decode(decode: Callable[[Source], Frames], task: Limited) -> Frames:
    """What `decode` gives within the limits. Raises `VideoError` for any problem with the video."""
    try:
        guard = TaskGuard(task.memory_bytes, task.time_seconds)
        video = task.video
        opened = open_video(
            video.uri, policy=task.policy, size_bytes=video.size_bytes, reads_all=False, version=video.version
        )
        with guard, opened as source:
            return decode(source)
    except VideoError:
        raise
    except (MemoryError, MemoryExceededError):
        message = f"a clip of it took more than {task.memory_bytes >> 20} MiB (--memory-limit-mib)"
        raise VideoError(FailureCode.MEMORY_LIMIT, message) from None
    except TimeExceededError:
        message = f"a clip of it took more than {task.time_seconds:g} s (--time-limit)"
        raise VideoError(FailureCode.TIME_LIMIT, message) from None
    except Exception as error:
        report = redacted(traceback.format_exc())[-MESSAGE_CHARACTERS:]
        raise VideoError(FailureCode.INTERNAL, f"an error in this program: {report}") from error


def encoded(task: Any) -> bytes:
    """A task as a request to a child; labels and words do not matter there."""
    return strict_json.dump(replace(task, video=replace(task.video, labels=(), text="", words=()))).encode()


def response_of(decode: Callable[[], Frames]) -> Response:
    """The response of a child with what `decode` gives."""
    try:
        frames = np.ascontiguousarray(decode())
    except VideoError as error:
        return Response({"code": error.code, "message": error.message, "stage": error.stage})
    return Response({}, frames.data.cast("B"))


def outcome_of(response: Response, shape: tuple[int, ...]) -> Outcome:
    """The outcome that a child has answered with, of a `shape` that may begin with -1; its content is not trusted."""
    try:
        if response.header:
            code, stage = FailureCode(response.header["code"]), Stage(response.header["stage"])
            return VideoError(code, str(response.header["message"]), stage)
        return np.frombuffer(response.payload, np.uint8).reshape(shape)
    except (KeyError, ValueError):
        return VideoError(FailureCode.INTERNAL, "the decoder process sent no valid response")
