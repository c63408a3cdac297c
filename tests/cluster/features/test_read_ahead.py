import threading

import pytest

from cluster.features.read_ahead import read_ahead


def test_items_come_in_order_from_another_thread():
    threads = set()

    def source():
        for number in range(100):
            threads.add(threading.current_thread())
            yield number

    assert list(read_ahead(source, 3)) == list(range(100))
    assert threading.current_thread() not in threads
    assert len(threads) == 1
    assert not next(iter(threads)).is_alive()


def test_no_more_than_the_depth_is_read_ahead():
    made = threading.Semaphore(0)
    count = 0

    def source():
        nonlocal count
        while True:
            count += 1
            made.release()
            yield count

    items = read_ahead(source, 2)
    assert next(items) == 1
    for _ in range(4):  # the one taken, two that wait, and one that has no room yet
        assert made.acquire(timeout=10)
    assert count == 4
    items.close()
    assert count == 4


def test_an_error_comes_after_the_items_before_it():
    def source():
        yield 1
        raise ValueError("broken")

    items = read_ahead(source, 5)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_an_error_before_the_first_item():
    def source():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        next(read_ahead(source, 1))


def test_stopping_early_closes_the_source():
    closed = threading.Event()

    def source():
        try:
            yield from range(1000)
        finally:
            closed.set()

    items = read_ahead(source, 1)
    next(items)
    items.close()
    assert closed.is_set()
