"""Decoding one clip, in this process or in a child of `cluster.clips.decoder_pool` (`python -m cluster.clips.decoder`).

In: a `ClipTask`. Out: uint8 (T, H, W, C), or a `VideoError`. The guard stops a decoder that takes too much memory or
time (`cluster.engines.task_guard`); a crash takes the process, and the pool replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cluster.clips.guarded_decode import Outcome, encoded, guarded_decode, outcome_of, response_of
from cluster.engines.guarded_processes import Response, serve
from cluster.storage.read_policy import STRICT, ReadPolicy
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.video.media import Source
from schemas import strict_json
from schemas.clips import ClipFormat
from schemas.videos import Video


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
        """(T, H, W, C) of the clip."""
        return self.format.frames, self.format.height, self.format.width, self.format.channels

    @property
    def size_bytes(self) -> int:
        """Size of the clip."""
        return prod(self.shape)

    def again(self) -> Self:
        """The next attempt, with the deterministic sampling if there is one."""
        return replace(self, sampling=self.fallback or self.sampling, fallback=None)

    def encoded(self) -> bytes:
        """The request to a child."""
        return encoded(self)

    def outcome_of(self, response: Response) -> Outcome:
        """The outcome that a child has answered with."""
        return outcome_of(response, self.shape)


def decode(task: ClipTask) -> NDArray[np.uint8]:
    """The clip, (T, H, W, C). Raises `VideoError` for any problem with the video."""

    def clips_of(source: Source) -> NDArray[np.uint8]:
        return decode_clips(
            source,
            task.format,
            task.sampling,
            start_seconds=task.video.start_seconds,
            end_seconds=task.video.end_seconds,
            seed=task.seed,
        )

    clips = guarded_decode(clips_of, task)
    assert len(clips) == 1, f"{len(clips)} clips, but a task is one"
    clip: NDArray[np.uint8] = clips[0]
    return clip


def answer(request: bytes) -> Response:
    """Decode a task that a pool has sent, and encode its outcome for `ClipTask.outcome_of`."""
    return response_of(lambda: decode(strict_json.load(ClipTask, request.decode(), "clip task", schema_version=1)))


if __name__ == "__main__":
    serve(answer)
