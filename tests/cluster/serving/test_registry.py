"""The life of videos, with work that the test itself ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.serving.errors import ApiError
from cluster.serving.length import VideoLength
from cluster.serving.metrics import Metrics
from cluster.serving.registry import Bounds, Registry, ServedVideo
from cluster.serving.spool import Spool
from cluster.serving.uploads import Upload
from cluster.serving.work import WorkError

BOUNDS = Bounds(queue=3, of_client=2, at_once=1, storage_bytes=1000, retention_seconds=2.0, work_seconds=5.0)


class Works:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.error: Exception | None = None
        self.running = self.most_running = 0

    async def __call__(self, video: ServedVideo) -> dict[str, object]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            video.advance(done=0.5, length=VideoLength(12.0, 96, 48, "h264"))
            await self.may_end.wait()
            if self.error is not None:
                raise self.error
            return {"model": object()}
        finally:
            self.running -= 1


def run(tmp_path: Path, test: Callable[[Registry, Works, Metrics], Awaitable[None]], bounds: Bounds = BOUNDS) -> None:
    async def scene() -> None:
        works, metrics, spool = Works(), Metrics(), Spool(str(tmp_path))
        registry = Registry(bounds, spool, works, metrics)  # type: ignore[arg-type]  # results are any objects here
        sweeping = asyncio.create_task(registry.sweep())
        await test(registry, works, metrics)
        sweeping.cancel()
        await registry.close()
        spool.close()
        assert list(tmp_path.iterdir()) == []

    asyncio.run(scene())


def add(registry: Registry, client: str = "a", size: int = 10) -> ServedVideo:
    with registry.admitted(client, ("model",), size) as video:
        video.path.write_bytes(bytes(size))
        video.size_bytes = size
        registry.start(video)
    return video


def code_of(registry: Registry, client: str = "a", size: int = 10) -> tuple[str, bool]:
    with pytest.raises(ApiError) as caught:
        add(registry, client, size)
    return caught.value.code, bool(caught.value.retry_seconds and caught.value.retry_seconds >= 1)


def test_a_video_goes_its_way_and_expires(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        video, second = add(registry), add(registry)
        assert (video.status, video.expires_at) == ("queued", None)
        await asyncio.sleep(0.05)
        assert (video.status, video.progress, video.seconds, second.status) == ("decoding", 0.5, 12.0, "queued")
        works.may_end.set()
        await asyncio.gather(video.work, second.work)
        assert (video.status, video.progress, second.status) == ("done", 1.0, "done")
        assert video.expires_at is not None
        assert works.most_running == 1
        assert registry.get(video.id) is video
        await asyncio.sleep(3.5)
        assert not video.path.exists()
        with pytest.raises(ApiError):
            registry.get(video.id)
        assert 'framemill_videos_total{code="",status="done"} 2.0' in metrics.text().decode()

    run(tmp_path, test)


def test_places_are_bounded_and_come_back(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        videos = [add(registry, "a"), add(registry, "a")]
        assert code_of(registry, "a") == ("busy", True)
        videos.append(add(registry, "b"))
        assert code_of(registry, "c") == ("busy", True)
        await registry.delete(videos[0].id)
        assert not videos[0].path.exists()
        assert code_of(registry, "c", 990) == ("busy", True)  # bytes of all files
        add(registry, "c")
        works.may_end.set()

    run(tmp_path, test)


def test_a_place_in_the_queue_is_told_while_one_waits(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        videos = [add(registry, "a"), add(registry, "a"), add(registry, "b")]
        assert [registry.place(video) for video in videos] == [None, None, None]
        await asyncio.sleep(0.01)
        assert [registry.place(video) for video in videos] == [None, 1, 2]
        await registry.delete(videos[1].id)
        assert [registry.place(video) for video in videos] == [None, None, 1]
        works.may_end.set()
        await asyncio.gather(videos[2].work)
        assert registry.place(videos[2]) is None

    run(tmp_path, test)


class Copy:
    """A copy of a file that ends when it is told to."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.error: Exception | None = None
        self.was_cancelled = False

    async def __call__(self, video: ServedVideo) -> Upload:
        video.path.write_bytes(b"part")
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self.error is not None:
            raise self.error
        return Upload("v", 4, "video/mp4", ())


def fetch(registry: Registry, copy: Copy, expected: int = 600) -> ServedVideo:
    with registry.admitted("a", ("model",), expected) as video:
        registry.start(video, copy)
    return video


def test_the_bytes_of_a_copy_count_before_they_are_here_and_it_takes_no_turn(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        copy = Copy()
        video = fetch(registry, copy)
        await asyncio.sleep(0.01)
        assert (video.status, registry.place(video)) == ("fetching", None)
        assert code_of(registry, "b", 500) == ("busy", True)
        other = add(registry, "b", 10)
        await asyncio.sleep(0.01)
        assert other.status == "decoding"  # which goes on while a server is slow
        copy.may_end.set()
        await asyncio.sleep(0.01)
        assert (video.status, registry.place(video), video.size_bytes) == ("queued", 1, 4)
        add(registry, "c", 900)
        works.may_end.set()

    run(tmp_path, test)


def test_a_copy_is_stopped_and_one_that_fails_leaves_nothing(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        copy = Copy()
        video = fetch(registry, copy)
        await asyncio.sleep(0.01)
        await registry.delete(video.id)
        assert copy.was_cancelled
        assert not video.path.exists()
        copy = Copy()
        copy.error = ApiError("copy_limit", "too slow")
        copy.may_end.set()
        video = fetch(registry, copy)
        await asyncio.gather(video.work)
        assert (video.status, video.path.exists()) == ("failed", False)
        add(registry, "a", 1000)
        works.may_end.set()

    run(tmp_path, test)


def test_an_upload_that_fails_gives_its_place_and_its_file_back(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        for _ in range(5):
            with contextlib.suppress(ZeroDivisionError), registry.admitted("a", (), 900) as video:
                video.path.write_bytes(b"half")
                raise ZeroDivisionError
            assert not video.path.exists()
        add(registry, "a", 900)
        works.may_end.set()

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (WorkError("not_media", "it is text"), "not_media", "it is text"),
        (WorkError("time_limit", "more than 900 s (--time-limit)"), "time_limit", "decoding it takes longer"),
        (ZeroDivisionError("/srv/app/x.py"), "internal", "an error in this service"),
        (ApiError("uri_refused", "not public"), "uri_refused", "not public"),
    ],
)
def test_failures_are_told_without_internals(tmp_path, error, code, message):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        works.error = error
        works.may_end.set()
        video = add(registry)
        await asyncio.gather(video.work)
        assert video.status == "failed"
        assert video.error is not None
        assert (video.error[0], video.error[1][: len(message)]) == (code, message)
        assert "/srv" not in video.error[1]
        assert "--" not in video.error[1]

    run(tmp_path, test)


def test_work_that_takes_too_long_is_ended(tmp_path):
    async def test(registry: Registry, works: Works, metrics: Metrics) -> None:
        video = add(registry)
        await asyncio.gather(video.work)
        assert video.error is not None
        assert video.error[0] == "time_limit"
        assert works.running == 0

    run(tmp_path, test, replace(BOUNDS, work_seconds=0.1))
