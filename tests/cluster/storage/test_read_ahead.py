from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cluster.storage.read_ahead import THREADS, in_turns


def numbers(first: int, count: int = 50) -> Iterator[int]:
    yield from range(first, first + count)


def test_the_items_of_all_iterators_come_in_their_order() -> None:
    found = list(in_turns([numbers(first) for first in range(0, 2000, 100)]))
    assert sorted(found) == [first + number for first in range(0, 2000, 100) for number in range(50)]
    for first in range(0, 2000, 100):
        its = [number for number in found if number // 100 * 100 == first]
        assert its == sorted(its)
    assert (list(in_turns([])), list(in_turns([numbers(0, 3)]))) == ([], [0, 1, 2])


def test_iterators_wait_at_the_same_time() -> None:
    barrier = threading.Barrier(4)

    def waiting() -> Iterator[int]:
        barrier.wait(30)
        yield 1

    assert list(in_turns([waiting() for _ in range(4)])) == [1, 1, 1, 1]


def test_an_error_of_one_ends_all() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("no store")

    with pytest.raises(OSError, match="no store"):
        list(in_turns([failing(), *(numbers(0, 10_000) for _ in range(THREADS))]))


def test_threads_end_with_who_takes_the_items() -> None:
    items = in_turns([numbers(0, 10**9), numbers(0, 10**9)])
    next(items)
    items.close()
    deadline = time.monotonic() + 30
    while any(thread.name == "listing" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
