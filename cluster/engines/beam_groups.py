"""Outcomes that are of use only together, kept on the driver's disk until the last of them has come.

A pipeline opens every video before it comes to the remaining segments of any: meanwhile the first segments of all long
videos would fill the driver's memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.engines.wire import LENGTH


@dataclass
class _Group:
    """Packed outcomes in a file, and the keys of the tasks whose outcomes are still to come."""

    path: Path
    open: set[str] = field(default_factory=set)


class OutcomeGroups:
    """Groups of tasks: one, those that follow from it, and what follows from these. To be closed."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="framemill-")
        self._numbers = count()
        self._groups: dict[str, _Group] = {}  # by the keys of open tasks

    def __contains__(self, key: str) -> bool:
        """Whether the task follows from another one."""
        return key in self._groups

    def add(self, key: str, packed: bytes | None, follow_ups: Collection[str]) -> Iterator[bytes]:
        """Take a task's outcome, or None if it is of no use, and the keys of the tasks that follow from it.

        Yields the outcomes of its group if that is complete.
        """
        group = self._groups.pop(key, None) or _Group(Path(self._folder.name, str(next(self._numbers))))
        group.open.discard(key)
        group.open.update(follow_ups)
        self._groups |= dict.fromkeys(follow_ups, group)
        if packed is not None:
            with group.path.open("ab") as file:
                file.write(LENGTH.pack(len(packed)) + packed)
        if not group.open:
            yield from _records(group.path)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def _records(path: Path) -> Iterator[bytes]:
    """The records of a file, which is removed."""
    if not path.exists():
        return
    with path.open("rb") as file:
        path.unlink()
        while head := file.read(LENGTH.size):
            yield file.read(*LENGTH.unpack(head))
