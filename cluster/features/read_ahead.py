"""An iterator that is read in a thread of its own, a few items ahead of who wants them.

What the source raises is raised to the reader, in its turn. A reader that stops early (`close`, or a loop that is left)
ends the thread, and the source is closed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """What follows the last item: nothing, or an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Channel(Generic[T]):
    """Items on their way, no more than `depth`; `put` says False once nobody reads any more."""

    def __init__(self, depth: int) -> None:
        self._items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._is_closed = False

    def put(self, item: T | _End) -> bool:
        self._room.acquire()
        if self._is_closed:
            self._room.release()  # for what is put next, which nobody waits for either
            return False
        self._items.put(item)
        return True

    def get(self) -> T | _End:
        item = self._items.get()
        self._room.release()
        return item

    def close(self) -> None:
        self._is_closed = True
        self._room.release()  # whoever waits for room is told


def read_ahead(source: Callable[[], Iterator[T]], depth: int) -> Iterator[T]:
    """The items of `source()`, of which up to `depth` wait to be taken; the source runs in the thread alone."""
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
            del item  # or it would stay in memory while the next is made
    except BaseException as found:  # the reader's to handle, in its own thread
        error = found
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
        channel.put(_End(error))
