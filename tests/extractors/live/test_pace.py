"""When frames are due, by a clock that the tests set."""

from __future__ import annotations

import pytest

from extractors.live import pace as module
from extractors.live.pace import BEHIND_SECONDS, DRIFT, Pace
from tests.support.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_file_is_due_by_its_own_time_however_late_its_frames_are(clock: Clock) -> None:
    pace = Pace(is_whole=True, sleep=clock.sleep)
    pace.meet(0.0)
    clock.advance(5)
    pace.meet(0.2)
    assert pace.due(0.2) == 1000.2
    pace.wait(0.2)
    assert clock.now == 1005.0  # late, so that nothing is waited for
    pace.wait(7.0)
    assert clock.now == 1007.0


def test_a_stream_is_due_as_early_as_any_of_its_frames_has_come(clock: Clock) -> None:
    pace = Pace(is_whole=False, sleep=clock.sleep)
    pace.meet(0.0)
    clock.advance(0.1)
    pace.meet(1.0)  # the server had kept a second of it
    assert pace.due(1.0) == clock.now == 1000.1
    clock.advance(3)
    pace.meet(2.0)  # after a stall of two seconds
    assert clock.now - pace.due(2.0) == pytest.approx(2, abs=0.01)


def test_a_slower_clock_of_the_source_is_followed(clock: Clock) -> None:
    pace = Pace(is_whole=False, sleep=clock.sleep)
    for second in range(36_000):
        pace.meet(float(second))
        assert clock.now - pace.due(float(second)) <= 0.01
        clock.advance(1 + DRIFT / 5)


def test_points_of_a_long_frame_follow_at_their_distances(clock: Clock) -> None:
    """A source of five frames a second on a grid of fifteen: each frame is known when the next one is there."""
    pace = Pace(is_whole=False, sleep=clock.sleep)
    shown = []
    for number in range(4):
        clock.now = max(clock.now, 1000.0 + 0.2 * (number + 1))
        pace.meet(3 * number / 15)
        for point in range(3 * number, 3 * number + 3):
            pace.wait(point / 15)
            shown.append(clock.now - 1000.2)
    assert shown == pytest.approx([point / 15 for point in range(12)])


def test_decoding_is_behind_after_two_seconds_without_a_wait(clock: Clock) -> None:
    pace = Pace(is_whole=False, sleep=clock.sleep)
    clock.advance(BEHIND_SECONDS)
    assert not pace.is_behind
    pace.has_read(0.0001)  # the packet had been there
    clock.advance(0.1)
    assert pace.is_behind
    pace.has_read(0.02)
    assert not pace.is_behind


def test_a_disk_that_is_slow_does_not_count_as_a_wait(clock: Clock) -> None:
    pace = Pace(is_whole=True, sleep=clock.sleep)
    pace.meet(0.0)
    clock.advance(BEHIND_SECONDS + 1)
    pace.has_read(0.5)
    assert pace.is_behind
    pace.wait(4.0)
    assert not pace.is_behind
