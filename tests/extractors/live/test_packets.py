"""What is left out where decoding cannot keep up, by a clock that the tests set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extractors.live import pace as pace_module
from extractors.live import packets as module
from extractors.live.pace import BEHIND_SECONDS, Pace
from extractors.live.packets import LivePackets
from extractors.live.source import open_source
from extractors.video.media import MAX_PIXELS
from extractors.video.packets import PacketReader
from tests.support.clocks import Clock
from tests.support.streams import http_stream, transport_chunks
from tests.support.videos import Clip, write_video

GOP, RATE = 25, 25


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(pace_module, "time", clock)
    return clock


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(frames=300, gop=GOP, rate=RATE, width=96, height=48, b_frames=0)
    return write_video(tmp_path_factory.mktemp("videos") / "v.mp4", clip)


def test_a_file_that_is_decoded_in_time_is_read_whole(video: Path, clock: Clock) -> None:
    pace = Pace(is_whole=True, sleep=clock.sleep)
    with open_source(str(video), max_pixels=MAX_PIXELS, timeout_seconds=1) as media:
        packets = LivePackets(media, pace, 0.0)
        pace.meet(0.0)
        for number in range(300):
            next(packets)
            clock.advance(0.9 / RATE)
            pace.wait((number + 1) / RATE)
        assert packets.skipped == 0


def test_a_file_goes_on_at_the_first_key_frame_that_is_not_late(video: Path, clock: Clock) -> None:
    """Decoding takes three times as long as there is; it may be late for so long, then a part is left out."""
    pace = Pace(is_whole=True, sleep=clock.sleep)
    shown = []
    with open_source(str(video), max_pixels=MAX_PIXELS, timeout_seconds=1) as media:
        packets = LivePackets(media, pace, 0.0)
        pace.meet(0.0)
        for packet in packets:
            if not packet.size:
                break
            number = packet.pts * packet.time_base * RATE
            if shown and number > shown[-1] + 1:
                assert packets.follows_hole
                assert packet.is_keyframe
                assert clock.now <= 1000 + number / RATE < clock.now + GOP / RATE
                break
            assert not packets.follows_hole
            shown.append(number)
            pace.wait(number / RATE)
            clock.advance(3 / RATE)
        # What is late for two seconds has lasted for them since the first wait.
        assert len(shown) == pytest.approx(BEHIND_SECONDS * RATE / 3, abs=2)
        assert packets.skipped == number - len(shown)


def test_a_stream_goes_on_at_a_key_frame_after_all_that_had_piled_up(clock: Clock) -> None:
    """The server sends three seconds at once, and then what comes; reading them has to be waited for from there on."""

    class Slow(LivePackets):
        def _next_packet(self):  # type: ignore[no-untyped-def]
            packet = PacketReader._next_packet(self)
            waited = 0.03 if packet.pts is not None and packet.pts * packet.time_base >= 3 else 0.0
            self._pace.has_read(waited)
            return packet

    with http_stream(transport_chunks(), [range(100)], rate=1000) as address:
        pace = Pace(is_whole=False, sleep=clock.sleep)
        with open_source(address, max_pixels=MAX_PIXELS, timeout_seconds=5) as media:
            packets = Slow(media, pace, 0.0)
            seconds = []
            for packet in packets:
                if packet.size:
                    seconds.append(float(packet.pts * packet.time_base))
                    clock.advance(0.1)
    hole = int(np.diff(seconds).argmax())
    assert seconds[hole] == pytest.approx(BEHIND_SECONDS / 0.1 / RATE, abs=0.1)
    assert seconds[hole + 1] == 3.0  # the key frame at which the reads are waited for
    assert packets.skipped == round((seconds[hole + 1] - seconds[hole]) * RATE) - 1


def test_what_breaks_a_stream_off_is_kept_and_ends_it() -> None:
    with (
        http_stream(transport_chunks(), [range(60)], rate=1000) as address,
        open_source(address, max_pixels=MAX_PIXELS, timeout_seconds=5) as media,
    ):
        packets = LivePackets(media, Pace(is_whole=False))
        assert sum(packet.size > 0 for packet in packets) == 60
        assert packets.error is not None
