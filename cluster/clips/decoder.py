"""A process that decodes clips for another: what it runs, and what goes between the two.

In: `ClipTask`s. Out, for each and in their order: an array (T, H, W, 3) uint8, or a `VideoError` that says why there is
none. A decoder that eats memory or time is stopped here (`cluster.engines.task_guard`); one that takes its process with
it is missed by whoever waits (`cluster.clips.decoder_pool`).
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from cluster.engines.task_guard import MemoryExceededError, TaskGuard, TimeExceededError
from cluster.storage.redaction import redacted
from cluster.storage.video_source import open_video
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video

MESSAGE_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class ClipTask:
    """One clip of a video.

    seed    of what is random about it
    steady  a sampling with nothing random in it, for where this one cannot be had; None where that would be the same
    """

    video: Video
    format: ClipFormat
    sampling: ClipSampling
    seed: int
    memory_bytes: int
    time_seconds: float
    steady: ClipSampling | None = None


def decode(task: ClipTask) -> NDArray[np.uint8]:
    """The clip, (T, H, W, 3). Raises `VideoError` whatever is wrong with the video."""
    try:
        with TaskGuard(task.memory_bytes, task.time_seconds), open_video(task.video.uri) as source:
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


def serve(connection: Connection) -> None:
    """Decode what is asked for until nobody is there any more."""
    while True:
        try:
            task: ClipTask = connection.recv()
        except EOFError:
            return
        try:
            clip = np.ascontiguousarray(decode(task))
        except VideoError as error:
            connection.send(error)
            continue
        connection.send(clip.shape)
        connection.send_bytes(clip.data.cast("B"))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
