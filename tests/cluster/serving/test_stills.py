"""Pictures that are asked for, from a decoder in this process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from cluster.engines.base import WorkerLoss
from cluster.serving.decoding import StageWorker, Step
from cluster.serving.errors import ApiError
from cluster.serving.models import STILL
from cluster.serving.registry import ServedVideo
from cluster.serving.still_stage import StillStage
from cluster.serving.stills import MAX_WAITING, Stills
from tests.support.serving import LocalHandle
from tests.support.videos import Clip, write_video


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("stills") / "v.avi", Clip(codec="mpeg4", frames=50))


def served(path: Path, seconds: float | None = 2.0) -> ServedVideo:
    return ServedVideo("id", "client", path, (), seconds=seconds)


def decoder(answer: Callable[[Step], Any] | None = None) -> LocalHandle:
    worker = StageWorker({STILL: StillStage(1 << 20)}, 8 << 30, 100.0, 100.0)
    return LocalHandle(carry_out=answer or (lambda step: worker(step).outcome))


def test_a_picture_is_decoded_once_and_goes_with_its_video(path):
    async def scene() -> None:
        handle, video = decoder(), served(path)
        stills = Stills(handle)
        first = await stills.at(video, 1.02)
        assert first.startswith(b"\xff\xd8\xff")
        assert await stills.at(video, 1.04) == first
        assert await stills.at(video, 0.0) != first
        assert await stills.at(video, 99.0) == await stills.at(video, 2.0)  # the last one
        assert len(handle.calls) == 3
        assert stills.size_bytes > 2 * len(first)
        handle.calls.clear()
        del video
        gc.collect()
        assert stills.size_bytes == 0

    asyncio.run(scene())


def test_what_is_kept_has_a_limit(path):
    async def scene() -> None:
        handle = decoder()
        old, new = served(path), served(path)
        size = len(await Stills(handle).at(old, 0.0))
        stills = Stills(handle, max_bytes=int(size * 2.5))
        for video in (old, new, old, new):
            await stills.at(video, 0.0)
        await stills.at(new, 1.0)
        assert stills.size_bytes <= size * 2.5
        before = len(handle.calls)
        await stills.at(new, 0.0)
        assert len(handle.calls) == before  # the one that was looked at longer ago has gone
        await stills.at(old, 0.0)
        assert len(handle.calls) == before + 1

    asyncio.run(scene())


def test_few_are_decoded_at_the_same_time_and_more_are_told_to_come_later(path):
    async def scene() -> None:
        begun, most = 0, 0

        class Call:
            def __await__(self):
                nonlocal begun, most
                begun += 1
                most = max(most, begun)
                yield from asyncio.sleep(0.02).__await__()
                begun -= 1
                return WorkerLoss("gone")

        class Handle:
            class carry_out:  # noqa: N801 - as a handle has it
                remote = staticmethod(lambda step: Call())

        stills = Stills(Handle)
        asked = [stills.at(served(path, None), number) for number in range(MAX_WAITING + 1)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        assert [end.code for end in ends if isinstance(end, ApiError)] == ["not_found"] * MAX_WAITING + ["busy"]
        assert most == 2

    asyncio.run(scene())


def test_a_time_without_a_picture_and_a_decoder_that_is_lost(path, tmp_path):
    (tmp_path / "text").write_text("no video")

    def lost(step: Step) -> Any:
        raise ActorDiedError

    for video, handle, code in (
        (served(tmp_path / "text"), decoder(), "not_found"),
        (served(path), decoder(lost), "busy"),
    ):
        stills = Stills(handle)
        with pytest.raises(ApiError) as caught:
            asyncio.run(stills.at(video, 0.0))
        assert caught.value.code == code
        assert stills.size_bytes == 0
