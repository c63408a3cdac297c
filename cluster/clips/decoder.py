"""Decoding one clip, in this process or in a child of `cluster.clips.decoder_pool` (`python -m cluster.clips.decoder`).

In: a `ClipTask`. Out: uint8 (T, H, W, 3), or a `VideoError`. The guard stops a decoder that takes too much memory or
time (`cluster.engines.task_guard`); a crash takes the process, and the pool replaces it.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from cluster.engines.guarded_processes import Response, serve
from cluster.engines.task_guard import MemoryExceededError, TaskGuard, TimeExceededError
from cluster.storage.read_policy import STRICT, ReadPolicy
from cluster.storage.redaction import redacted
from cluster.storage.video_source import open_video
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas import strict_json
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, Stage, VideoError
from schemas.videos import Video

MESSAGE_CHARACTERS = 2_000
VERSION = 1

Outcome = NDArray[np.uint8] | VideoError


@dataclass(frozen=True, slots=True)
class ClipTask:
    """One clip of a video.

    seed      of random placements and crops
    fallback  a deterministic sampling for the next attempt, where `sampling` is random and fails; else None
    policy    how far reading the video goes
    """

    video: Video
    format: ClipFormat
    sampling: ClipSampling
    seed: int
    memory_bytes: int
    time_seconds: float
    fallback: ClipSampling | None = None
    policy: ReadPolicy = STRICT

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, 3) of the clip."""
        return self.format.frames, self.format.height, self.format.width, 3

    @property
    def size_bytes(self) -> int:
        """Size of the clip."""
        return prod(self.shape)


def decode(task: ClipTask) -> NDArray[np.uint8]:
    """The clip, (T, H, W, 3). Raises `VideoError` for any problem with the video."""
    try:
        guard = TaskGuard(task.memory_bytes, task.time_seconds)
        with guard, open_video(task.video.uri, policy=task.policy) as source:
            clips = decode_clips(
                source,
                task.format,
                task.sampling,
                start_seconds=task.video.start_seconds,
                end_seconds=task.video.end_seconds,
                seed=task.seed,
            )
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
    assert len(clips) == 1, f"{len(clips)} clips, but a task is one"
    clip: NDArray[np.uint8] = clips[0]
    return clip


def encode_task(task: ClipTask) -> bytes:
    """`task` as a request to a child; labels do not matter there."""
    return strict_json.dump(replace(task, video=replace(task.video, labels=()))).encode()


def answer(request: bytes) -> Response:
    """Decode a task that `encode_task` has written, and encode its outcome for `outcome_of`."""
    task = strict_json.load(ClipTask, request.decode(), "clip task", schema_version=VERSION)
    try:
        clip = np.ascontiguousarray(decode(task))
    except VideoError as error:
        return Response({"code": error.code, "message": error.message, "stage": error.stage})
    return Response({}, clip.data.cast("B"))


def outcome_of(task: ClipTask, response: Response) -> Outcome:
    """The outcome of `task` that a child has answered with; its content is not trusted."""
    try:
        if response.header:
            code, stage = FailureCode(response.header["code"]), Stage(response.header["stage"])
            return VideoError(code, str(response.header["message"]), stage)
        return np.frombuffer(response.payload, np.uint8).reshape(task.shape)
    except (KeyError, ValueError):
        return VideoError(FailureCode.INTERNAL, "the decoder process sent no valid response")


if __name__ == "__main__":
    serve(answer)
