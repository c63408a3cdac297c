from __future__ import annotations

import pytest

from cluster.live import tally as module
from cluster.live.reader import ReadCounts
from cluster.live.tally import Tally, clock_text
from tests.support.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_before_the_first_result(clock: Clock) -> None:
    assert Tally(ReadCounts(), "frames", 1.0).facts() == ["no frame yet"]
    assert Tally(ReadCounts(frames=20, lacking=30), "clips", 1.0).facts() == ["30 frames to the first clip"]


def test_facts_in_the_order_of_their_interest(clock: Clock) -> None:
    tally = Tally(ReadCounts(frames=400, dropped=1234), "frames", 1.0)
    tally.add(0.0, 0.02)
    assert tally.facts() == ["0:00:00", "latency 20 ms", "1,234 dropped"]
    for number in range(100):
        clock.advance(0.2)
        tally.add(3660 + number / 5, 0.0424)
    assert tally.facts() == ["1:01:19", "latency 42 ms", "5.0 frames/s", "1,234 dropped"]
    clock.advance(12)
    tally.read.undecoded, tally.read.lost, tally.read.reconnects = 1, 2, 3
    assert tally.facts() == [
        *["1:01:19", "latency 42 ms", "nothing for 12 s", "5.0 frames/s", "1,234 dropped"],
        *["1 not decoded", "2 lost", "3 × connected again"],
    ]


def test_clips_are_not_missed_before_their_time(clock: Clock) -> None:
    tally = Tally(ReadCounts(), "clips", 10.0)
    tally.add(0.0, 0.1)
    clock.advance(15)
    assert "nothing for 15 s" not in tally.facts()
    clock.advance(15)
    assert "nothing for 30 s" in tally.facts()


def test_the_summary_and_its_values(clock: Clock) -> None:
    tally = Tally(ReadCounts(frames=10, dropped=2, undecoded=3, lost=4, reconnects=1), "frames", 1.0)
    for latency in (0.01, 0.02, 0.06):
        tally.add(1.0, latency)
    assert tally.values() == {
        "frames": 10,
        "unit": "frames",
        "results": 3,
        "dropped": 2,
        "undecoded": 3,
        "lost": 4,
        "reconnects": 1,
        "mean_latency_ms": 30,
        "longest_latency_ms": 60,
    }
    assert tally.summary() == [
        "10 frames, 3 frames looked at, 2 dropped",
        "3 frames not decoded in time, 4 lost",
        "latency 30 ms on average, 60 ms at most",
        "1 × connected again",
    ]
    assert Tally(ReadCounts(), "clips", 1.0).summary() == ["0 frames, 0 clips looked at, 0 dropped"]


def test_clocks() -> None:
    assert [clock_text(seconds) for seconds in (0, 59.99, 61, 3600 * 25)] == [
        "0:00:00",
        "0:00:59",
        "0:01:01",
        "25:00:00",
    ]
