"""Single pictures of videos: decoded as videos are, when somebody asks for one, and kept while their video is.

Few are decoded at the same time, so that the work on videos goes on; what is kept has a limit of bytes, beyond which
those of the video go that was looked at the longest time ago.
"""

from __future__ import annotations

import asyncio
import logging
from fractions import Fraction
from typing import Any
from weakref import WeakKeyDictionary

from ray.exceptions import RayActorError

from cluster.engines.base import WorkerLoss
from cluster.engines.tasks import Failed, Outcome, Task
from cluster.serving.decoding import Step
from cluster.serving.errors import ApiError
from cluster.serving.models import STILL
from cluster.serving.registry import ServedVideo
from schemas.outcomes import FailureCode
from schemas.videos import Video

PER_SECOND = 10  # times that are told apart
AT_ONCE = 2
MAX_WAITING = 32
MAX_BYTES = 64 << 20

logger = logging.getLogger("framemill")


class Stills:
    """JPEGs by video and time; `decoder` is the handle of what decodes them."""

    def __init__(self, decoder: Any, max_bytes: int = MAX_BYTES) -> None:
        self._decoder, self._max_bytes = decoder, max_bytes
        self._kept: WeakKeyDictionary[ServedVideo, dict[int, bytes]] = WeakKeyDictionary()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def at(self, video: ServedVideo, seconds: float) -> bytes:
        """The picture at a time, or the last one. Raises `ApiError` where there is none, or too much to do."""
        place = int(min(seconds, seconds if video.seconds is None else video.seconds) * PER_SECOND)
        if self._waiting >= MAX_WAITING:
            raise ApiError("busy", "too many pictures are asked for: come again later", 1.0)
        self._waiting += 1
        try:
            async with self._turns:
                return self._found(video, place) or await self._decoded(video, place)
        finally:
            self._waiting -= 1

    @property
    def size_bytes(self) -> int:
        """Of all that is kept."""
        return sum(len(jpeg) for kept in self._kept.values() for jpeg in kept.values())

    def _found(self, video: ServedVideo, place: int) -> bytes | None:
        kept = self._kept.pop(video, {})
        self._kept[video] = kept  # the latest one is the last to go
        return kept.get(place)

    async def _decoded(self, video: ServedVideo, place: int) -> bytes:
        wanted = Video(video.id, str(video.path), start_seconds=Fraction(place, PER_SECOND))
        try:
            outcome: Outcome | WorkerLoss = await self._decoder.carry_out.remote(Step(STILL, Task(wanted)))
        except RayActorError as error:
            raise ApiError("busy", "a decoder was lost: ask again", 1.0) from error
        if isinstance(outcome, WorkerLoss | Failed):
            if isinstance(outcome, Failed) and outcome.code == FailureCode.INTERNAL:
                logger.error(RuntimeError(f"a picture of video {video.id}: {outcome.message}"))
            raise ApiError("not_found", "no picture of this time can be decoded")
        jpeg: bytes = outcome.features.jpeg
        self._kept.setdefault(video, {})[place] = jpeg
        while self.size_bytes > self._max_bytes:
            del self._kept[next(iter(self._kept.keys()))]
        return jpeg
