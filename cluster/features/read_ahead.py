"""Prefetching: an iterator that runs in a thread of its own, a few items ahead of its reader.

An exception of the source reaches the reader after the items before it. A reader that stops early (`close`, or leaving
the loop) ends the thread and closes the source.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """The end of the items, with the error that ended them, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Channel(Generic[T]):
    """A queue of up to `depth` items; `put` returns False once the reader has closed it."""

    def __init__(self, depth: int) -> None:
        self._items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._is_closed = False

    def put(self, item: T | _End) -> bool:
        self._room.acquire()
        if self._is_closed:
            self._room.release()  # so that the next `put` does not block either
            return False
        self._items.put(item)
        return True

    def get(self) -> T | _End:
        item = self._items.get()
        self._room.release()
        return item

    def close(self) -> None:
        self._is_closed = True
        self._room.release()  # wakes a blocked `put`


def read_ahead(source: Callable[[], Iterator[T]], depth: int) -> Iterator[T]:
    """The items of `source()`, up to `depth` of them prefetched; the source runs only in the thread."""
    channel: _Channel[T] = _Channel(depth)
    thread = threading.Thread(target=_fill, args=(source, channel), daemon=True)
    thread.start()
    try:
        while not isinstance(item := channel.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        channel.close()
        thread.join()


def _fill(source: Callable[[], Iterator[T]], channel: _Channel[T]) -> None:
    error: BaseException | None = None
    items = None
    try:
        items = source()
        for item in items:
            if not channel.put(item):
                return
            del item  # or it would stay in memory while the next is produced
    except BaseException as raised:  # re-raised in the reader's thread
        error = raised
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
        channel.put(_End(error))
