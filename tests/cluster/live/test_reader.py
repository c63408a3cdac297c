"""The reader, on files and on real streams."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.live import reader as module
from cluster.live.latest import Latest
from cluster.live.reader import Reader, ReaderSettings
from cluster.live.window import Look
from schemas.clips import ClipFormat
from schemas.outcomes import VideoError
from tests.support.streams import http_stream, rtp_packets, rtsp_stream, transport_chunks
from tests.support.videos import Clip, read_number, write_video

FORMAT = ClipFormat(frames=4, height=96, width=192, resize=(96, 192), fps="5", mean=(0.0,) * 3, std=(1.0,) * 3)


def reading(source: object, **changes: Any) -> tuple[Reader, Latest[Look]]:
    latest: Latest[Look] = Latest()
    values: dict[str, Any] = {
        "source": str(source),
        "clip_format": FORMAT,
        "frames": 1,
        "stride_seconds": 0.4,
        "is_repeated": False,
        "max_pixels": 1 << 26,
        "timeout_seconds": 5.0,
        "reconnects": 3,
    }
    return Reader(ReaderSettings(**{**values, **changes}), latest), latest


def watched(reader: Reader, latest: Latest[Look], busy_seconds: float = 0.0) -> tuple[list[Look], list[str]]:
    """The looks that somebody takes who is busy for so long after each, and the notes; to the end."""
    looks, notes = [], []
    reader.start()
    while not latest.is_over:
        look = latest.take(0.1)
        notes += latest.notes()
        if look is not None:
            looks.append(look)
            time.sleep(busy_seconds)
    return looks, notes


def numbers(looks: list[Look]) -> list[int]:
    return [read_number(look.frames[-1]) for look in looks]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "v.mp4", Clip(frames=50))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts to connect are short."""
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.1)


def test_a_file_is_read_at_its_own_pace_to_its_end(video: Path) -> None:
    reader, latest = reading(video)
    started = time.monotonic()
    looks, notes = watched(reader, latest)
    assert time.monotonic() - started > 1.7
    assert len(looks) + reader.counts.dropped == reader.counts.frames == 10
    assert set(numbers(looks)) <= set(range(0, 50, 5))
    assert notes == []


def test_what_nobody_has_time_for_is_dropped_and_counted(video: Path) -> None:
    reader, latest = reading(video)
    looks, _ = watched(reader, latest, busy_seconds=0.7)
    assert 3 <= len(looks) <= 4
    assert reader.counts.dropped == 10 - len(looks)
    assert numbers(looks)[-1] == 45, "the last frame is not dropped"


def test_memory_holds_one_look_however_long_nobody_takes_it(video: Path) -> None:
    reader, latest = reading(video, is_repeated=True)
    reader.start()
    time.sleep(2.5)
    reader.stop()
    assert reader.counts.dropped == reader.counts.frames - 1 > 5
    assert latest.take(0) is not None
    assert latest.take(0) is None


def test_a_file_in_a_loop_counts_its_turns(video: Path) -> None:
    reader, latest = reading(video, is_repeated=True)
    reader.start()
    passages, seconds = set(), []
    while len(passages) < 2:
        look = latest.take(5.0)
        assert look is not None
        passages.add(look.passage)
        seconds.append(look.seconds)
    reader.stop()
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(2.0)


def test_clips_of_the_latest_frames(video: Path) -> None:
    reader, latest = reading(video, frames=4)
    looks, _ = watched(reader, latest)
    found = [[read_number(image) for image in look.frames] for look in looks]
    assert set(map(tuple, found)) <= {(0, 5, 10, 15), (10, 15, 20, 25), (20, 25, 30, 35), (30, 35, 40, 45)}
    assert len(found) + reader.counts.dropped == 4


def test_a_file_shorter_than_a_clip_has_one(video: Path) -> None:
    reader, latest = reading(video, frames=12)
    looks, _ = watched(reader, latest)
    assert [[read_number(image) for image in look.frames] for look in looks] == [[*range(0, 50, 5), 0, 5]]


def test_a_stream_that_breaks_off_is_connected_to_again(quick: None) -> None:
    with http_stream(transport_chunks(), [range(40), range(50, 90)]) as address:
        reader, latest = reading(address, reconnects=2)
        with pytest.raises(VideoError) as raised:
            watched(reader, latest)
    assert "no stream of this name" in str(raised.value)
    assert str(raised.value).endswith("; 2 attempts to connect again failed")
    assert reader.counts.reconnects == 1


def test_a_connection_made_again_goes_on_in_the_view_and_starts_anew(quick: None) -> None:
    looks: list[Look] = []
    with rtsp_stream(rtp_packets(), [range(35), range(50, 75)]) as address:
        reader, latest = reading(address, reconnects=1)
        notes: list[str] = []
        reader.start()
        with pytest.raises(VideoError, match="1 attempt to connect again failed"):  # noqa: PT012
            while not latest.is_over:
                look = latest.take(0.1)
                notes += latest.notes()
                looks += [look] if look is not None else []
    assert notes == [
        "the stream ended; connecting again in 0.1 s (attempt 1 of 1)",
        "connected again; the network starts anew",
        "the stream ended; connecting again in 0.1 s (attempt 1 of 1)",
    ]
    assert {look.passage for look in looks} == {0, 1}
    seconds = [look.seconds for look in looks]
    assert seconds == sorted(seconds)
    first = next(look for look in looks if look.passage == 1)
    # By then, the view is as old as the machine's clock says.
    begun = looks[0].due - looks[0].seconds
    assert first.seconds == pytest.approx(first.due - begun, abs=0.5)


@pytest.mark.parametrize(
    ("source", "words"), [("none.mp4", "there is no such file"), ("http://127.0.0.1:1/x", "it refuses the connection")]
)
def test_what_cannot_be_opened_at_first_is_an_error_at_once(source: str, words: str) -> None:
    reader, latest = reading(source)
    with pytest.raises(VideoError, match=words):
        watched(reader, latest)


def test_without_attempts_a_stream_that_breaks_off_is_an_error() -> None:
    with http_stream(transport_chunks(), [range(30)], rate=100) as address:
        reader, latest = reading(address, reconnects=0)
        with pytest.raises(VideoError) as raised:
            watched(reader, latest)
    assert "attempts" not in str(raised.value)


def test_what_a_server_had_kept_does_not_count_as_dropped() -> None:
    """Three seconds come at once, and a network that takes its time sees the last of them."""
    with http_stream(transport_chunks(), [range(75)], rate=10_000) as address:
        reader, latest = reading(address, reconnects=0)
        with pytest.raises(VideoError):
            watched(reader, latest, busy_seconds=1.0)
    assert reader.counts.frames == 15
    assert reader.counts.dropped <= 2


def test_stopping_ends_the_thread(video: Path) -> None:
    reader, _ = reading(video, is_repeated=True)
    reader.start()
    time.sleep(0.3)
    started = time.monotonic()
    reader.stop()
    assert time.monotonic() - started < 1.5
    assert "reader" not in {thread.name for thread in threading.enumerate()}


def test_an_error_in_this_program_reaches_whoever_takes_the_looks(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LiveFrames", lambda *given, **named: 1 / 0)
    reader, latest = reading(video)
    with pytest.raises(ZeroDivisionError):
        watched(reader, latest)
