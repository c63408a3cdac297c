"""What listings leave out: hidden files and folders, those that systems put among a user's, and what patterns match.

In: a path below the root of a listing, such as `talks/2024/a.mp4`. Out: whether it is left out, which everything in a
folder is that is left out itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

# Of Synology, of file systems, of Windows and of macOS' archiver; in lower case.
SYSTEM_NAMES = frozenset(
    {"@eadir", "#recycle", "#snapshot", "lost+found", "$recycle.bin", "system volume information", "__macosx"}
)


class Exclusion:
    """Leaves out hidden names, names of systems, and what any of the `patterns` matches.

    A pattern without a slash matches a name at any depth (`trailers`, `*.part.mp4`), one with a slash a path from the
    root on (`2019/*`, `2019/**/raw`, `/trailers`). Case counts. `unused` are patterns that have matched nothing so far.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.unused = set(patterns)
        self._matches = {pattern: re.compile(_expression(pattern)).match for pattern in patterns}

    def leaves_out(self, path: str, *, with_hidden: bool = False) -> bool:
        """Whether `path`, or a folder on the way to it, is left out; not for being hidden `with_hidden`."""
        if not self._matches and not with_hidden:
            return _is_hidden(path)
        names = path.split("/")
        if not with_hidden and any(name.startswith(".") for name in names):
            return True
        if any(name.lower() in SYSTEM_NAMES for name in names):
            return True
        used = {pattern for pattern, matches in self._matches.items() if any(map(matches, _starts(names)))}
        self.unused -= used
        return bool(used)


HIDDEN = Exclusion()


def _is_hidden(path: str) -> bool:
    """Whether a path, or a folder on the way to it, is hidden or a system's."""
    folder, _, name = path.rpartition("/")
    if name.startswith(".") or name.lower() in SYSTEM_NAMES:
        return True
    return bool(folder) and _is_in_hidden(folder)


_is_in_hidden = lru_cache(1 << 12)(_is_hidden)


def is_pattern(text: str) -> bool:
    """Whether `text` can be matched: not empty, and `**` only as a whole part of a path."""
    try:
        re.compile(_expression(text))
    except (ValueError, re.error):
        return False
    return bool(text.strip("/ "))


def _expression(pattern: str) -> str:
    from fsspec.utils import glob_translate

    path = pattern.strip("/")
    expression: str = glob_translate(path if "/" in pattern.rstrip("/") else f"**/{path}")
    return expression


def _starts(names: Sequence[str]) -> Iterator[str]:
    """`a/b/c` as `a`, `a/b`, `a/b/c`."""
    return ("/".join(names[:count]) for count in range(1, len(names) + 1))
