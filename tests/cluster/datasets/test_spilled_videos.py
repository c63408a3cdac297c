from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import pytest

from cluster.datasets import spilled_videos
from cluster.datasets.partitions import PARTS
from cluster.datasets.video_stream import VideoPart
from cluster.storage import spill
from cluster.storage.buckets import StoredFile
from cluster.storage.files import StorageError
from schemas.errors import InputError
from tests.support.job_server import wait_until
from tests.support.video_streams import listed, videos_of


def test_a_window_begins_while_others_are_listed(tmp_path: Path) -> None:
    given = iter(range(100))
    taken: list[int] = []

    def files() -> Iterator[list[StoredFile]]:
        for number in given:
            taken.append(number)
            yield [StoredFile(f"{tmp_path}/{number:03d}.mp4", 1, "v")]
            while number and not released:
                pass

    released: list[bool] = []
    with closing(listed(tmp_path, files())) as stream:
        parts = stream.parts(PARTS)
        first = next(part for part in parts if part is not None)
        assert len(taken) <= 2, "the listing goes on"
        assert 1 <= len(first) <= 2
        released.append(True)
        assert len(first) + sum(len(part) for part in parts if part is not None) == 100


def test_what_the_listing_cannot_read_is_an_error(tmp_path: Path) -> None:
    def files() -> Iterator[list[StoredFile]]:
        yield []
        raise StorageError("no answer")

    with pytest.raises(InputError, match="the input cannot be read to its end: no answer") as caught:
        videos_of(listed(tmp_path, files()))
    assert not isinstance(caught.value, StorageError), "engines take that for their own store's"


@pytest.mark.parametrize("run_rows", [1, 1 << 18])  # what the listing writes, and what its reader does
def test_a_disk_without_room_is_an_error(tmp_path: Path, run_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "RUN_ROWS", run_rows)
    with closing(listed(tmp_path, iter([[StoredFile(f"{tmp_path}/a.mp4", 1, "v")]]))) as stream:
        stream._spill.close()  # a folder that is not there refuses what a full disk refuses
        with pytest.raises(InputError, match=r"takes no more of the list of videos: .*No such file"):
            videos_of(stream)


def window(parts: Iterator[VideoPart | None]) -> int:
    """The size of the next one, once there is one."""
    first = next(part for part in parts if part is not None)
    return len(first) + sum(len(part or ()) for part in iter(lambda: next(parts), None))


@pytest.mark.parametrize("wait_seconds", [0.0, 600.0])
def test_a_window_is_as_large_as_all_before_it_unless_it_has_waited(
    tmp_path: Path, wait_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilled_videos, "WINDOW_SECONDS", wait_seconds)
    numbers: SimpleQueue[int] = SimpleQueue()

    def files() -> Iterator[list[StoredFile]]:
        for number in iter(numbers.get, 0):
            yield [StoredFile(f"{tmp_path}/{number}.mp4", 1, "v")]

    with closing(listed(tmp_path, files())) as stream:
        parts = stream.parts(PARTS)
        numbers.put(1)
        assert window(parts) == 1
        numbers.put(2)
        assert window(parts) == 1
        numbers.put(3)
        if wait_seconds:
            wait_until(lambda: stream._spill.rows == 3)
            assert [next(parts) for _ in range(100)] == [None] * 100
            numbers.put(4)
        assert window(parts) == (2 if wait_seconds else 1)
        numbers.put(0)
        assert not any(parts)


def test_the_listing_goes_on_while_nobody_asks_and_ends_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    has_begun, taken = Event(), []

    def files() -> Iterator[list[StoredFile]]:
        has_begun.wait()
        for number in range(1000):
            taken.append(number)
            yield [StoredFile(f"{tmp_path}/{number:03d}.mp4", 1, "v")]
            time.sleep(0.01 if number > 10 else 0)

    stream = listed(tmp_path, files())
    parts = stream.parts(PARTS)
    assert next(parts) is None
    has_begun.set()
    deadline = time.monotonic() + 10
    while len(taken) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(taken) >= 10
    stream.close()
    for thread in threading.enumerate():
        if thread.name == "videos":
            thread.join(10)
    assert len(taken) < 1000
    assert not list((tmp_path / "temporary").iterdir())
    unused = listed(tmp_path, files())
    assert list((tmp_path / "temporary").iterdir())
    unused.close()
    assert not list((tmp_path / "temporary").iterdir())
