from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cluster.datasets import manifest, tar_videos, video_folder
from cluster.datasets.listed_videos import ListedVideos
from cluster.datasets.manifest import open_input, read_input
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.partitions import PARTS, Partition
from cluster.datasets.video_folder import FolderListing
from cluster.datasets.video_stream import WholeVideos
from cluster.storage.buckets import StoredFile
from cluster.storage.forward_reads import open_headers
from schemas.errors import InputError
from tests.support.folders import touch
from tests.support.tars import tar_bytes
from tests.support.video_streams import listed, videos_of

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


def test_a_store_that_lists_in_no_order_is_refused_where_its_files_are_many(folder: Path) -> None:
    listing = FolderListing(str(folder))
    listing.is_ordered = False
    with pytest.raises(InputError, match="give a manifest"):
        videos_of(ListedVideos(listing, listing.files(), lambda found: None))


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
