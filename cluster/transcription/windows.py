"""Windows over a stream of numbered items, each overlapping the one before it.

In: items, such as frames, with increasing numbers. Out: `Window`s of `size` items, the next one `size - overlap` items
later. The last window of a run ends with it and overlaps more, so that it is as long as the others; a run that is
shorter than a window is one. No more than a window of items is held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Window(Generic[ItemT]):
    """Consecutive items, the first of which has the number `first`."""

    first: int
    items: tuple[ItemT, ...]

    @property
    def stop(self) -> int:
        """The number after that of the last item."""
        return self.first + len(self.items)


def windows(
    numbered: Iterable[tuple[int, ItemT]], size: int, overlap: int, *, go_together: Callable[[ItemT, ItemT], bool]
) -> Iterator[Window[ItemT]]:
    """The windows of all items; where a number is missing, or two items do not go together, another run begins."""
    held: deque[ItemT] = deque(maxlen=size)
    stop = 0  # number after that of the last item held
    unseen = 0  # of them, items that no window has had
    seen = 0  # those that the last window has had
    for number, item in numbered:
        if held and (number != stop or not go_together(held[-1], item)):
            if unseen:
                yield Window(stop - len(held), tuple(held))
            held.clear()
            unseen = seen = 0
        held.append(item)
        stop, unseen = number + 1, unseen + 1
        if unseen == (size - overlap if seen else size):
            yield Window(stop - size, tuple(held))
            unseen, seen = 0, size
    if unseen:
        yield Window(stop - len(held), tuple(held))
