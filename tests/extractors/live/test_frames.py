"""The frames of live views: of files by their own time, of real streams as they come."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from extractors.clips.crops import crop_corners, resized
from extractors.live import pace as pace_module
from extractors.live import packets
from extractors.live.frames import LiveFrame, LiveFrames
from extractors.live.pace import Pace
from extractors.live.source import is_whole, open_source
from extractors.video.decode import sample_frames
from extractors.video.media import MAX_PIXELS
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, VideoError
from tests.support.clocks import Clock
from tests.support.streams import LIVE, http_stream, rtp_packets, rtsp_stream, transport_chunks, udp_stream
from tests.support.videos import TICKS, Clip, read_number, write_video


def form(fps: str | None, *, resize: tuple[int, ...] = (96, 192), size: tuple[int, int] = (96, 192)) -> ClipFormat:
    return ClipFormat(frames=4, height=size[0], width=size[1], resize=resize, fps=fps, mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace_module, "time", clock)
    monkeypatch.setattr(packets, "time", clock)
    return clock


def frames_of_file(path: Path, clip_format: ClipFormat, clock: Clock) -> list[tuple[float, LiveFrame]]:
    """The frames of a file, each with the time at which it is shown."""
    with open_source(str(path), max_pixels=MAX_PIXELS, timeout_seconds=1) as media:
        pace = Pace(is_whole=True, sleep=clock.sleep)
        return [(clock.now, frame) for frame in LiveFrames(media, clip_format, pace, file=str(path))]


def frames_of(address: str, fps: str | None = "5") -> tuple[list[LiveFrame], Exception | None]:
    """The frames of a stream in real time, and what ended it."""
    with open_source(address, max_pixels=MAX_PIXELS, timeout_seconds=2) as media:
        assert not is_whole(media, address)
        frames = LiveFrames(media, form(fps), Pace(is_whole=False))
        return list(frames), frames.error


UNEVEN = [0, 9000, 9100, 40_000, 41_000, 90_000, 90_900, 91_800, 150_000, 300_000]


@pytest.mark.parametrize("fps", ["1", "5", "25", "30000/1001"])
@pytest.mark.parametrize(
    "clip",
    [Clip(frames=60), Clip(frames=len(UNEVEN), pts=UNEVEN), Clip(frames=40, rotation=90)],
    ids=["even", "uneven", "turned"],
)
def test_a_file_gives_the_samples_of_its_grid_at_their_times(
    clip: Clip, fps: str, clock: Clock, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "v.mp4", clip)
    clip_format = form(fps, resize=(50,), size=(48, 40))
    expected = list(sample_frames(path, fps))
    shown = frames_of_file(path, clip_format, clock)
    assert [frame.seconds for _, frame in shown] == [float(sample.seconds) for sample in expected]
    for (now, frame), sample in zip(shown, expected, strict=True):
        assert now == pytest.approx(frame.due) == pytest.approx(1000 + float(sample.seconds))
        image = resized(sample.image, (50,))
        ((top, left),) = crop_corners(image, 48, 40)
        np.testing.assert_array_equal(frame.image, image[top : top + 48, left : left + 40])
        assert (frame.undecoded, frame.lost) == (0, 0)


def test_a_format_without_a_rate_takes_every_frame(clock: Clock, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", Clip(frames=len(UNEVEN), pts=UNEVEN))
    shown = frames_of_file(path, form(None), clock)
    assert [read_number(frame.image) for _, frame in shown] == list(range(len(UNEVEN)))
    assert [frame.seconds for _, frame in shown] == pytest.approx([pts / TICKS for pts in UNEVEN])
    assert [now for now, _ in shown] == pytest.approx([1000 + pts / TICKS for pts in UNEVEN])


def test_the_view_goes_on_where_a_file_begins_again(clock: Clock, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", Clip(frames=30))
    pace = Pace(is_whole=True, sleep=clock.sleep)
    start_seconds, shown = 0.0, []
    for _ in range(3):
        with open_source(str(path), max_pixels=MAX_PIXELS, timeout_seconds=1) as media:
            frames = LiveFrames(media, form("5"), pace, start_seconds=start_seconds, file=str(path))
            shown += [(clock.now, frame.seconds, read_number(frame.image)) for frame in frames]
            start_seconds = frames.end_seconds
    assert start_seconds == pytest.approx(3.6)
    times = [1.2 * turn + 0.2 * point for turn in range(3) for point in range(6)]
    assert [seconds for _, seconds, _ in shown] == pytest.approx(times)
    assert [now - 1000 for now, _, _ in shown] == pytest.approx(times)
    assert [number for _, _, number in shown] == [0, 5, 10, 15, 20, 25] * 3


def test_a_decoder_that_is_too_slow_leaves_out_frames_and_counts_them(clock: Clock, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", Clip(frames=500, gop=25, width=96, height=48))
    with open_source(str(path), max_pixels=MAX_PIXELS, timeout_seconds=1) as media:
        pace = Pace(is_whole=True, sleep=clock.sleep)
        late, points, undecoded = [], 0, 0
        for frame in LiveFrames(media, form("5", resize=(48, 96), size=(48, 96)), pace, file=str(path)):
            late.append(clock.now - frame.due)
            points += 1
            undecoded += frame.undecoded
            assert frame.lost == 0
            clock.advance(0.5)  # for five frames, where there is time for 0.2 s
    assert max(late) < 2 * pace_module.BEHIND_SECONDS + 1
    assert points < 60
    assert undecoded == pytest.approx(100 - points, abs=8)  # those after the last are not counted


def test_a_stream_over_http_gives_its_frames_as_they_come_until_it_breaks_off() -> None:
    with http_stream(transport_chunks(), [range(75)]) as address:
        started = time.monotonic()
        frames, error = frames_of(address)
        spent = time.monotonic() - started
    assert [read_number(frame.image) for frame in frames] == list(range(0, 75, 5))
    assert [frame.seconds for frame in frames] == pytest.approx([point / 5 for point in range(15)])
    assert error is not None
    assert 2.5 < spent < 20
    assert sum(frame.lost + frame.undecoded for frame in frames) == 0


def test_a_stream_over_rtsp() -> None:
    with rtsp_stream(rtp_packets(), [range(60)], rate=100) as address:
        frames, _ = frames_of(address)
    assert [read_number(frame.image) for frame in frames] == list(range(0, 60, 5))


def test_a_stream_over_udp_begins_with_a_key_frame_and_ends_in_silence() -> None:
    with udp_stream(transport_chunks(), rate=50) as address:
        frames, error = frames_of(address, None)
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], 100))
    assert numbers[0] in (0, 25)
    assert "exit requested" in str(error)


def test_what_is_lost_on_the_way_is_counted_up_to_the_next_key_frame() -> None:
    with http_stream(transport_chunks(), [[*range(31), *range(34, 75)]], rate=100) as address:
        frames, _ = frames_of(address)
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers[-5:] == [50, 55, 60, 65, 70]
    # What is missing begins in the middle of the packet of frame 30, as far as a reader can tell.
    assert numbers[:-5] == [0, 5, 10, 15, 20, 25]
    assert [frame.lost for frame in frames] == [0] * 6 + [4] + [0] * 4


def test_a_stream_of_few_frames_a_second_shows_each_as_often_as_it_is_on_screen() -> None:
    clip = Clip(**{**vars(LIVE), "frames": 30, "rate": 10, "gop": 10})
    with (
        http_stream(transport_chunks(clip), [range(30)], rate=10) as address,
        open_source(address, max_pixels=MAX_PIXELS, timeout_seconds=2) as media,
    ):
        frames = LiveFrames(media, form("30"), Pace(is_whole=False))
        shown = [(read_number(frame.image), time.monotonic()) for frame in frames]
    assert [number for number, _ in shown] == [number for number in range(30) for _ in range(3)]
    distances = np.diff([now for _, now in shown[45:]])
    assert np.median(distances) > 0.02, "they come one after the other, not at once"


def test_a_stall_of_a_stream_is_no_still_picture() -> None:
    """Its clock goes on for five seconds meanwhile."""
    pts = [number * 3600 + (450_000 if number >= 25 else 0) for number in range(50)]
    clip = Clip(**{**vars(LIVE), "frames": 50, "pts": pts})
    with rtsp_stream(rtp_packets(clip), [range(50)], rate=100) as address:
        frames, _ = frames_of(address, "10")
    assert sum(frame.lost for frame in frames) == pytest.approx(41, abs=1)  # all but those of the first second
    assert len(frames) == pytest.approx(29, abs=1)


def test_a_stream_without_a_key_frame_has_no_frames() -> None:
    with rtsp_stream(rtp_packets(), [range(1, 24)], rate=500) as address, pytest.raises(VideoError) as raised:
        frames_of(address)
    assert raised.value.code is FailureCode.NO_DECODABLE_FRAME
