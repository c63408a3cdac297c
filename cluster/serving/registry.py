"""The videos of a service: which there are, what becomes of each, and when it is forgotten.

    admitted ─► upload, or fetching ─► queued ─► decoding ─► classifying ─► done or failed ─► expired, or deleted

One process holds them, so that a lost replica costs a retry and no video. Numbers and bytes are bounded: beyond them a
client is told to come later. A file is removed with its video, whatever ends that.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.runs.lifecycle import internal_error
from cluster.serving.corrections import CorrectedPart
from cluster.serving.errors import ApiError, told
from cluster.serving.length import VideoLength
from cluster.serving.metrics import Metrics
from cluster.serving.results import Result
from cluster.serving.spool import Spool
from cluster.serving.uploads import Upload
from cluster.serving.work import WorkError
from schemas.outcomes import FailureCode

MAX_KEPT = 1000  # videos with their results
SWEEP_SECONDS = 0.5
WORK_HISTORY = 32
LEAST_RETRY_SECONDS = 1.0
FETCHING, QUEUED, DECODING, CLASSIFYING = "fetching", "queued", "decoding", "classifying"
DONE, FAILED = "done", "failed"
FINAL = (DONE, FAILED)


@dataclass(eq=False)
class ServedVideo:
    """One video, as far as its work has come; `reserved_bytes` are kept free for a file that is on its way."""

    id: str
    client: str
    path: Path
    models: tuple[str, ...]
    name: str = "video"
    media_type: str = "application/octet-stream"
    size_bytes: int = 0
    reserved_bytes: int = 0
    status: str = QUEUED
    progress: float = 0.0
    error: tuple[str, str] | None = None
    seconds: float | None = None
    codec: str | None = None
    results: dict[str, Result] = field(default_factory=dict)
    corrections: tuple[CorrectedPart, ...] = ()
    sha256: str | None = None  # of its file, once somebody has asked for it
    expires: float | None = None  # by the monotonic clock
    expires_at: datetime | None = None
    work: asyncio.Task[None] | None = None

    def advance(self, *, done: float, length: VideoLength | None = None, is_classifying: bool = False) -> None:
        """Note how far the work has come."""
        self.progress = max(self.progress, min(done, 1.0))
        if length is not None:
            self.seconds, self.codec = length.seconds, length.codec
        self.status = CLASSIFYING if is_classifying else self.status


@dataclass(frozen=True)
class Bounds:
    """How many videos may be in hand, of one client, and in work; bytes of all files; seconds that results stay."""

    queue: int
    of_client: int
    at_once: int
    storage_bytes: int
    retention_seconds: float
    work_seconds: float


Fetch = Callable[[ServedVideo], Awaitable[Upload]]
Label = Callable[[ServedVideo], Awaitable[dict[str, Result]]]


class Registry:
    """All videos. `label` works through one."""

    def __init__(self, bounds: Bounds, spool: Spool, label: Label, metrics: Metrics) -> None:
        self._bounds, self._spool, self._label, self._metrics = bounds, spool, label, metrics
        self._videos: dict[str, ServedVideo] = {}
        self._in_hand: Counter[str] = Counter()  # by client
        self._turns = asyncio.Semaphore(bounds.at_once)
        self._waiting: list[ServedVideo] = []  # for their turns, in this order
        self._work_seconds: deque[float] = deque([10.0], WORK_HISTORY)
        self._receiving_bytes = 0

    def get(self, video_id: str) -> ServedVideo:
        """A video by its id. Raises `ApiError` for an unknown one."""
        video = self._videos.get(video_id)
        if video is None:
            raise ApiError("not_found", "there is no such video, or it has been deleted")
        return video

    def place(self, video: ServedVideo) -> int | None:
        """Of a video in the queue, from 1; None of one that does not wait."""
        return self._waiting.index(video) + 1 if video in self._waiting else None

    @contextmanager
    def admitted(self, client: str, models: tuple[str, ...], expected_bytes: int) -> Iterator[ServedVideo]:
        """A place for a video that is to come; given up again unless it is started. Raises `ApiError` for none."""
        if self._in_hand.total() >= self._bounds.queue:
            raise ApiError("busy", "this service has enough to do: come again later", self._wait_seconds())
        if self._in_hand[client] >= self._bounds.of_client:
            raise ApiError("busy", "finish your other videos first, or delete them", self._wait_seconds())
        stored = sum(video.size_bytes + video.reserved_bytes for video in self._videos.values())
        stored += self._receiving_bytes
        if stored + expected_bytes > self._bounds.storage_bytes:
            raise ApiError("busy", "this service has no room for more videos: come again later", self._room_seconds())
        video = ServedVideo(
            secrets.token_urlsafe(16), client, self._spool.new_file(), models, reserved_bytes=expected_bytes
        )
        self._in_hand[client] += 1
        self._receiving_bytes += expected_bytes
        try:
            yield video
        finally:
            self._receiving_bytes -= expected_bytes
            if video.work is None:
                self._give_back(client)
                video.path.unlink(missing_ok=True)

    def start(self, video: ServedVideo, fetch: Fetch | None = None) -> None:
        """Begin to work on a video that is admitted: its file is there, or `fetch` brings it."""
        if len(self._videos) >= MAX_KEPT:
            for old in [kept for kept in self._videos.values() if kept.status in FINAL][:1]:
                self._forget(old)
        if fetch is None:
            video.reserved_bytes = 0
        self._videos[video.id] = video
        video.work = asyncio.create_task(self._work(video, fetch))
        video.work.add_done_callback(lambda _: self._settle(video))  # also of one that is cancelled before it begins

    async def delete(self, video_id: str) -> None:
        """End the work on a video, and remove all of it. Raises `ApiError` for an unknown one."""
        video = self.get(video_id)
        self._forget(video)
        if video.work is not None:
            video.work.cancel()
            await asyncio.wait([video.work])

    async def sweep(self) -> None:
        """Forget what has been kept for long enough, for ever."""
        while True:
            now = time.monotonic()
            for video in [video for video in self._videos.values() if video.expires and video.expires <= now]:
                self._forget(video)
            self._metrics.in_hand.set(self._in_hand.total())
            self._metrics.kept.set(len(self._videos))
            await asyncio.sleep(min(SWEEP_SECONDS, self._bounds.retention_seconds / 4))

    async def close(self) -> None:
        """End all work."""
        works = [video.work for video in self._videos.values() if video.work is not None]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def _work(self, video: ServedVideo, fetch: Fetch | None) -> None:
        try:
            if fetch is not None:
                await self._fetch(video, fetch)
            async with self._turn(video):
                video.status = DECODING
                async with asyncio.timeout(self._bounds.work_seconds):
                    video.results = await self._label(video)
            video.status, video.progress = DONE, 1.0
        except (WorkError, ApiError) as error:
            self._fail(video, error.code, error.message)
        except TimeoutError:
            self._fail(video, FailureCode.TIME_LIMIT, "")
        except Exception:
            self._fail(video, FailureCode.INTERNAL, internal_error())

    async def _fetch(self, video: ServedVideo, fetch: Fetch) -> None:
        """Bring the file, before the video waits for its turn: a slow server takes none."""
        video.status = FETCHING
        try:
            upload = await fetch(video)
        except BaseException:
            video.path.unlink(missing_ok=True)
            raise
        else:
            video.size_bytes, video.media_type = upload.size_bytes, upload.media_type
        finally:
            video.reserved_bytes = 0
        video.status = QUEUED

    @asynccontextmanager
    async def _turn(self, video: ServedVideo) -> AsyncIterator[None]:
        self._waiting.append(video)
        try:
            await self._turns.acquire()
        finally:
            self._waiting.remove(video)
        started = time.monotonic()
        try:
            yield
        finally:
            self._turns.release()
            self._work_seconds.append(time.monotonic() - started)

    def _settle(self, video: ServedVideo) -> None:
        """What follows from the end of the work, whatever ended it."""
        self._give_back(video.client)
        self._metrics.finished(
            video.status if video.status in FINAL else "deleted", video.error[0] if video.error else ""
        )
        video.expires = time.monotonic() + self._bounds.retention_seconds
        video.expires_at = datetime.now(UTC) + timedelta(seconds=self._bounds.retention_seconds)

    def _fail(self, video: ServedVideo, code: str, message: str) -> None:
        video.status, video.error = FAILED, told(video.id, code, message)

    def _forget(self, video: ServedVideo) -> None:
        self._videos.pop(video.id, None)
        with suppress(OSError):
            video.path.unlink(missing_ok=True)

    def _give_back(self, client: str) -> None:
        self._in_hand[client] -= 1
        if not self._in_hand[client]:
            del self._in_hand[client]

    def _wait_seconds(self) -> float:
        """Until there is a place, about."""
        mean = sum(self._work_seconds) / len(self._work_seconds)
        return max(mean / self._bounds.at_once, LEAST_RETRY_SECONDS)

    def _room_seconds(self) -> float:
        """Until the next file is removed, about."""
        ends = [video.expires for video in self._videos.values() if video.expires is not None]
        return max(min(ends) - time.monotonic() if ends else self._wait_seconds(), LEAST_RETRY_SECONDS)
