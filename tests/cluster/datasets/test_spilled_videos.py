from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import numpy as np
import pytest

from cluster.datasets import manifest, spilled_videos, tar_videos, video_folder
from cluster.datasets.manifest import open_input, read_input
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.partitions import PARTS, Partition
from cluster.datasets.spilled_videos import ListedVideos
from cluster.datasets.video_folder import FolderListing
from cluster.datasets.video_stream import VideoPart, VideoStream, WholeVideos
from cluster.storage import spill
from cluster.storage.buckets import StoredFile
from cluster.storage.files import StorageError
from cluster.storage.forward_reads import open_headers
from schemas.errors import InputError
from schemas.videos import Video, content_of
from tests.support.folders import touch
from tests.support.job_server import wait_until
from tests.support.tars import tar_bytes

NAMES = [
    *(f"{number:02d}.mp4" for number in range(20)),
    *(f"s/a.{suffix}" for suffix in ("avi", "b.mkv", "mkv", "mp4")),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as large, with a name that is no text."""
    touch(tmp_path, *NAMES)
    with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb"):
        pass
    monkeypatch.setattr(manifest, "FIRST_FILES", 3)
    monkeypatch.setattr(video_folder, "FILES_AT_ONCE", 2)
    return tmp_path


def listed(folder: Path, files: Iterator[list[StoredFile]]) -> ListedVideos:
    """The videos of a folder whose files come as they are given."""
    return ListedVideos(FolderListing(str(folder)), files, lambda found: None)


def videos_of(stream: VideoStream) -> dict[str, Video]:
    found = {}
    for part in stream.parts(PARTS):
        for place in range(len(part or ())):
            assert part is not None
            (video,) = part.videos(np.array([place]))
            assert (part.ids[place].as_py(), part.contents[place].as_py()) == (video.id, content_of(video))
            assert video.id not in found
            found[video.id] = video
    return found


@pytest.mark.parametrize("partition", [Partition(), Partition(1, 2), Partition(2, 2)], ids=str)
def test_a_folder_that_is_being_listed_has_the_videos_of_one_that_is_known(folder: Path, partition: Partition) -> None:
    whole = WholeVideos(read_input(str(folder)).videos, partition=partition)
    with closing(open_input(str(folder), partition=partition)) as stream:
        assert (isinstance(stream, ListedVideos), stream.whole) == (True, None)
        found = videos_of(stream)
    assert found == {video.id: video for video in whole.all()} == videos_of(whole)
    with closing(open_input(str(folder), partition=partition)) as stream:
        assert list(stream.all()) == list(whole.all())
        assert stream.everything == whole.everything
        assert (stream.whole, videos_of(stream)) == (stream.all(), found)


def test_a_small_folder_is_known_at_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "b.mp4")
    stream = open_input(str(tmp_path))
    assert [video.id for video in stream.whole or ()] == ["a", "b"]
    (part,) = stream.parts(1)
    assert part is not None
    assert part.ids.to_pylist() == ["a", "b"]


def test_a_window_begins_while_others_are_listed(folder: Path) -> None:
    given = iter(range(100))
    taken: list[int] = []

    def files() -> Iterator[list[StoredFile]]:
        for number in given:
            taken.append(number)
            yield [StoredFile(f"{folder}/{number:03d}.mp4", 1, "v")]
            while number and not released:
                pass

    released: list[bool] = []
    with closing(listed(folder, files())) as stream:
        parts = stream.parts(PARTS)
        first = next(part for part in parts if part is not None)
        assert len(taken) <= 2, "the listing goes on"
        assert 1 <= len(first) <= 2
        released.append(True)
        assert len(first) + sum(len(part) for part in parts if part is not None) == 100


def test_a_store_that_lists_in_no_order_is_refused_where_its_files_are_many(folder: Path) -> None:
    listing = FolderListing(str(folder))
    listing.is_ordered = False
    with pytest.raises(InputError, match="give a manifest"):
        videos_of(ListedVideos(listing, listing.files(), lambda found: None))


def test_what_the_listing_cannot_read_is_an_error(folder: Path) -> None:
    def files() -> Iterator[list[StoredFile]]:
        yield []
        raise StorageError("no answer")

    with pytest.raises(InputError, match="the input cannot be read to its end: no answer") as caught:
        videos_of(listed(folder, files()))
    assert not isinstance(caught.value, StorageError), "engines take that for their own store's"


@pytest.mark.parametrize("run_rows", [1, 1 << 18])  # what the listing writes, and what its reader does
def test_a_disk_without_room_is_an_error(folder: Path, run_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "RUN_ROWS", run_rows)
    with closing(listed(folder, iter([[StoredFile(f"{folder}/a.mp4", 1, "v")]]))) as stream:
        stream._spill.close()  # a folder that is not there refuses what a full disk refuses
        with pytest.raises(InputError, match=r"takes no more of the list of videos: .*No such file"):
            videos_of(stream)


def window(parts: Iterator[VideoPart | None]) -> int:
    """The size of the next one, once there is one."""
    first = next(part for part in parts if part is not None)
    return len(first) + sum(len(part or ()) for part in iter(lambda: next(parts), None))


@pytest.mark.parametrize("wait_seconds", [0.0, 600.0])
def test_a_window_is_as_large_as_all_before_it_unless_it_has_waited(
    folder: Path, wait_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilled_videos, "WINDOW_SECONDS", wait_seconds)
    numbers: SimpleQueue[int] = SimpleQueue()

    def files() -> Iterator[list[StoredFile]]:
        for number in iter(numbers.get, 0):
            yield [StoredFile(f"{folder}/{number}.mp4", 1, "v")]

    with closing(listed(folder, files())) as stream:
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


def test_tars_are_unpacked_while_others_are_listed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(20):
        members = [
            ("a.mp4", b"1" * number),
            ("b.left.mp4", b"2"),
            ("b.right.mp4", b"3"),
            ("a.cls", b"7"),
            ("x.json", b""),
        ]
        (folder / f"{number:02d}.tar").write_bytes(tar_bytes(members))
    expected = {video.id: video for video in read_input(str(folder)).videos}
    caplog.clear()
    with caplog.at_level("INFO", "framemill"), closing(open_input(str(folder))) as stream:
        assert videos_of(stream) == expected
    assert (expected["07/a"].labels, "07.tar/b.left.mp4" in expected) == ((7,), True)
    assert "left out of tars, as their extensions are not those of videos: 20 .json" in caplog.text


def test_few_tars_are_many_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "00.tar").write_bytes(tar_bytes([("a.mp4", b"1")]))
    for most in (manifest.MEMBERS, manifest.MEMBERS + 2):
        monkeypatch.setattr(manifest, "FIRST_FILES", most)
        with closing(open_input(str(tmp_path))) as stream:
            assert (stream.whole is None) == (most == manifest.MEMBERS)
            assert len(stream.all()) == 1


def test_a_member_with_the_id_of_another_video_is_an_error(folder: Path) -> None:
    (folder / "00.tar").write_bytes(tar_bytes([("a.mp4", b"1")]))
    touch(folder, "00/a.mp4")
    with pytest.raises(InputError, match="members of tars have the ids of other videos, rename the tars: '00/a'"):
        videos_of(open_input(str(folder)))


def test_the_member_may_come_in_a_later_window(folder: Path) -> None:
    (folder / "00.tar").write_bytes(tar_bytes([("a.mp4", b"1")]))
    is_taken = Event()

    def files() -> Iterator[list[StoredFile]]:
        yield [StoredFile(f"{folder}/00/a.mp4", 1, "v")]
        is_taken.wait()
        yield [StoredFile(f"{folder}/00.tar", (folder / "00.tar").stat().st_size, "v")]

    with closing(listed(folder, files())) as stream:
        parts = stream.parts(PARTS)
        first = next(part for part in parts if part is not None)
        assert first.ids.to_pylist() == ["00/a"]
        is_taken.set()
        with pytest.raises(InputError, match="members of tars have the ids of other videos, rename the tars: '00/a'"):
            for _ in parts:
                pass


def test_the_listing_goes_on_while_nobody_asks_and_ends_when_it_is_closed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    has_begun, taken = Event(), []

    def files() -> Iterator[list[StoredFile]]:
        has_begun.wait()
        for number in range(1000):
            taken.append(number)
            yield [StoredFile(f"{folder}/{number:03d}.mp4", 1, "v")]
            time.sleep(0.01 if number > 10 else 0)

    stream = listed(folder, files())
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
    unused = listed(folder, files())
    assert list((tmp_path / "temporary").iterdir())
    unused.close()
    assert not list((tmp_path / "temporary").iterdir())


def test_a_large_folder_without_any_video_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "FIRST_FILES", 3)
    for number in range(5):
        (tmp_path / f"{number}.tar").write_bytes(tar_bytes([("a.json", b"{}")]))
    for partition in (Partition(), Partition(2, 2)):
        with closing(open_input(str(tmp_path), partition=partition)) as stream:
            assert stream.whole is None
            with pytest.raises(ManifestError, match=r"no video found there, but 5 \.json"):
                videos_of(stream)
        with (
            closing(open_input(str(tmp_path), partition=partition)) as stream,
            pytest.raises(ManifestError, match=r"no video found there, but 5 \.json"),
        ):
            stream.all()


@pytest.mark.parametrize("most", [3, 1 << 20])
def test_a_tar_that_cannot_be_read_is_missing_in_every_partition(
    folder: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "FIRST_FILES", most)
    (folder / "00.tar").write_bytes(tar_bytes([("a.mp4", b"1")]))
    (folder / "01.tar").write_bytes(b"no tar" * 500)
    rows = []
    for number in range(1, 4):
        with closing(open_input(str(folder), partition=Partition(number, 3))) as stream:
            rows += videos_of(stream)
            assert (stream.unread, stream.unread_share) == ((f"{folder}/01.tar",), 0.5)
    assert (rows.count("01.tar"), rows.count("01")) == (1, 1), "no other video is named otherwise for that"


def test_a_tar_that_is_being_read_does_not_hold_up_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "00.tar").write_bytes(tar_bytes((f"{number}.mp4", b"1" * 8192) for number in range(400)))
    reads: list[int] = []

    def slow_headers(*given: Any) -> tuple[Callable[[int, int], bytes], int]:
        read, size_bytes = open_headers(*given)

        def slow_read(start: int, end: int) -> bytes:
            reads.append(start)
            time.sleep(0.05)
            return read(start, end)

        return slow_read, size_bytes

    monkeypatch.setattr(tar_videos, "open_headers", slow_headers)
    with closing(open_input(str(folder))) as stream:
        parts = stream.parts(PARTS)
        while not reads:
            next(parts)
    for thread in threading.enumerate():
        if thread.name.startswith(("videos", "tars")):
            thread.join(10)
    assert len(reads) < 100
