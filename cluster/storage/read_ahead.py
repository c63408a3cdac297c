"""Iterators that wait for a store, read at the same time by threads, a little ahead of who takes their items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

THREADS = 16
AHEAD = 32
POLL_SECONDS = 0.1

T = TypeVar("T")


def in_turns(iterators: Sequence[Iterator[T]]) -> Iterator[T]:
    """The items of all iterators, as they come; an error of one ends them all. One alone needs no thread."""
    if len(iterators) == 1:
        yield from iterators[0]
        return
    items: Queue[T | BaseException | None] = Queue(AHEAD)
    waiting, is_over = iter(iterators), Event()

    def put(item: T | BaseException | None) -> None:
        while not is_over.is_set():
            with suppress(Full):
                items.put(item, timeout=POLL_SECONDS)
                return

    def read() -> None:
        try:
            for iterator in waiting:  # a list's iterator gives each to one thread
                for item in iterator:
                    put(item)
                    if is_over.is_set():
                        return
            put(None)
        except BaseException as error:
            put(error)

    threads = [Thread(target=read, name="listing", daemon=True) for _ in range(min(THREADS, len(iterators)))]
    for thread in threads:
        thread.start()
    try:
        left = len(threads)
        while left:
            item = items.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                left -= 1
            else:
                yield item
    finally:
        is_over.set()
