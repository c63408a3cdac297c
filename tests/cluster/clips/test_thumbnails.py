"""Thumbnails of many videos, some of which cannot be decoded or read."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from cluster.clips.thumbnails import thumbnails_of
from cluster.storage.read_policy import ReadPolicy
from schemas.videos import Video
from tests.support.servers import http_files
from tests.support.videos import Clip, write_video


def test_videos_without_a_thumbnail_are_left_out(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / f"{number}.mp4", Clip(frames=30)) for number in range(5)]
    (tmp_path / "bad.mp4").write_text("no video")
    videos = [Video(path.stem, str(path)) for path in (*paths, tmp_path / "bad.mp4", tmp_path / "none.mp4")]
    found = thumbnails_of(videos)
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    assert all(thumbnail.jpeg.startswith(b"\xff\xd8\xff") for thumbnail in found.values())
    assert found["0"].jpeg != thumbnails_of(videos[:1], is_blurred=True)["0"].jpeg
    assert {name: one.seconds for name, one in thumbnails_of(videos[:2], at_seconds={"1": 0.5}).items()} == {
        "0": 0.0,
        "1": 0.5,
    }
    with http_files(tmp_path) as root:
        assert thumbnails_of([Video("a", f"{root}/0.mp4"), Video("b", f"{root}/status/403/0.mp4")]) == {"a": found["0"]}
        copied = [Video("a", f"{root}/whole/0.mp4")]
        assert thumbnails_of(copied) == {"a": found["0"]}
        assert thumbnails_of(copied, ReadPolicy(copy_bytes=100)) == {}


def test_a_silent_server_takes_no_longer_than_the_time_limit(tmp_path: Path) -> None:
    good = Video("good", str(write_video(tmp_path / "good.mp4", Clip(frames=30))))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/a.mp4"
        started = time.monotonic()
        found = thumbnails_of([good, *[Video(str(number), uri) for number in range(9)]], total_seconds=6)
        assert time.monotonic() - started < 60  # the limits of the nine, two at a time, add up to a minute and more
    assert list(found) in (["good"], [])  # a busy machine may not get to it
    assert thumbnails_of([good], total_seconds=0) == {}


def test_where_the_first_give_none_the_others_are_not_tried(tmp_path: Path) -> None:
    good = Video("good", str(write_video(tmp_path / "good.mp4", Clip(frames=30))))
    missing = [Video(str(number), str(tmp_path / f"{number}.mp4")) for number in range(9)]
    assert thumbnails_of([*missing, good], give_up_after=4) == {}
    assert list(thumbnails_of([*missing[:2], good], give_up_after=4)) == ["good"]


def test_no_videos_give_no_thumbnails() -> None:
    assert thumbnails_of([]) == {}
