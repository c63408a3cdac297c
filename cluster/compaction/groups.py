"""Small files → groups, each of which becomes one file of the usual size.

In: files with the numbers of their rows and bytes, and the kind of their rows. Out: groups of two or more of a kind, in
the order of their names, which are those of the runs and so of time. Only the last group of a kind may make a file that
is small itself; the next compaction takes it up.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SmallFile:
    """A file of the dataset.

    ledger      of a shard; None for failures
    size_bytes  of its rows where they are read, about
    kind        what rows of one file have in common
    """

    uri: str
    ledger: str | None
    rows: int
    size_bytes: int
    kind: str

    @property
    def name(self) -> str:
        """Its name in its folder."""
        return posixpath.basename(self.uri)


def groups_of(small: Iterable[SmallFile], most_rows: int, most_bytes: int) -> list[Sequence[SmallFile]]:
    """The files that are to be replaced by one each, of at most so many rows and bytes."""
    kinds: dict[str, list[SmallFile]] = defaultdict(list)
    for file in sorted(small, key=lambda file: file.name):
        kinds[file.kind].append(file)
    groups: list[Sequence[SmallFile]] = []
    for files in kinds.values():
        group: list[SmallFile] = []
        rows = size_bytes = 0
        for file in files:
            rows, size_bytes = rows + file.rows, size_bytes + file.size_bytes
            if group and (rows > most_rows or size_bytes > most_bytes):
                groups.append(group)
                group, rows, size_bytes = [], file.rows, file.size_bytes
            group.append(file)
        groups.append(group)
    return [group for group in groups if len(group) > 1]
