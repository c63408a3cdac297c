"""The newest of what one thread makes, for another thread that is slower: a place for one, without a queue.

In: items of the maker. Out: for the taker, always the newest one that it has not had; those that were replaced before
are returned to the maker. Beside them go notes, short texts for people, none of which is lost.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A place for one item."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._notes: list[str] = []
        self._has_ended = False
        self._error: BaseException | None = None

    def put(self, item: T) -> T | None:
        """Replace the item; returns the one that nobody has taken."""
        with self._changed:
            replaced, self._item = self._item, item
            self._changed.notify()
        return replaced

    def note(self, text: str) -> None:
        """Leave a note."""
        with self._changed:
            self._notes.append(text)
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes, because of `error` if there is one."""
        with self._changed:
            self._has_ended, self._error = True, error
            self._changed.notify()

    def take(self, timeout_seconds: float) -> T | None:
        """The newest item, once there is one; None where none comes in time, or before it a note or the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._notes or self._has_ended, timeout_seconds)
            item, self._item = self._item, None
            return item

    def notes(self) -> list[str]:
        """The notes that were left since the last call."""
        with self._changed:
            notes, self._notes = self._notes, []
            return notes

    @property
    def is_over(self) -> bool:
        """Whether everything is taken and nothing more comes. Raises the error that it ended with."""
        with self._changed:
            if not self._has_ended or self._item is not None:
                return False
            if self._error is not None:
                raise self._error
            return True
