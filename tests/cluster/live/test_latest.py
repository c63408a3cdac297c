from __future__ import annotations

import threading
import time

import pytest

from cluster.live.latest import Latest


def test_the_newest_item_replaces_what_nobody_took() -> None:
    latest: Latest[int] = Latest()
    assert [latest.put(number) for number in range(3)] == [None, 0, 1]
    assert latest.take(0) == 2
    assert latest.take(0) is None
    assert latest.put(3) is None


def test_an_item_wakes_whoever_waits_for_it() -> None:
    latest: Latest[str] = Latest()
    threading.Timer(0.05, latest.put, ["there"]).start()
    assert latest.take(30) == "there"


def test_notes_are_all_kept_and_end_a_wait() -> None:
    latest: Latest[str] = Latest()
    threading.Timer(0.05, lambda: [latest.note("one"), latest.note("two")]).start()
    started = time.monotonic()
    assert latest.take(30) is None
    assert time.monotonic() - started < 20
    time.sleep(0.1)
    assert latest.notes() == ["one", "two"]
    assert latest.notes() == []


def test_it_is_over_once_the_last_item_is_taken() -> None:
    latest: Latest[str] = Latest()
    assert not latest.is_over
    latest.put("last")
    latest.end()
    assert not latest.is_over
    assert latest.take(30) == "last"
    assert latest.take(30) is None
    assert latest.is_over


def test_what_ended_it_is_raised_after_the_last_item() -> None:
    latest: Latest[str] = Latest()
    latest.put("last")
    latest.end(ValueError("broken"))
    assert not latest.is_over
    latest.take(0)
    with pytest.raises(ValueError, match="broken"):
        assert latest.is_over
