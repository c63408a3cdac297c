"""Where a live view is shown: on a terminal a table that refreshes in place, elsewhere a line a second.

In: the status as it changes. Out: text on `stream`, the standard output. Lines in the log appear above the table.

To draw the table anew, the cursor goes back to its first line. It never scrolls, as it has fewer lines than the
terminal, and it never wraps, as its lines are cut and wrapping is off meanwhile. In a terminal that became narrower, a
line that was wrapped counts with all the rows that it takes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TextIO

from typing_extensions import override

from cluster.live.table import Status, table_lines, text_line, width

LINE_EVERY_SECONDS = 1.0
REFRESH_SECONDS = 0.1
ESCAPE = "\x1b["
HIDE_CURSOR, SHOW_CURSOR = f"{ESCAPE}?25l", f"{ESCAPE}?25h"
NO_WRAP, WRAP = f"{ESCAPE}?7l", f"{ESCAPE}?7h"
TO_LINE_END, TO_SCREEN_END = f"{ESCAPE}K", f"{ESCAPE}J"

logger = logging.getLogger("framemill")


class Screen(ABC):
    """Shows statuses, at most so often."""

    every_seconds: float

    def __init__(self) -> None:
        self._shown_at = -float("inf")

    def show(self, status: Callable[[], Status]) -> None:
        """Show the status, if it is time for it."""
        now = time.monotonic()
        if now - self._shown_at >= self.every_seconds:
            self._shown_at = now
            self._write(status())

    def log(self, level: int, text: str) -> None:
        """A line in the log."""
        logger.log(level, text)

    def close(self, status: Callable[[], Status]) -> None:
        """Show the last status."""
        self._write(status())

    @abstractmethod
    def _write(self, status: Status) -> None:
        """Show the status."""


class Terminal(Screen):
    """A table that refreshes in place."""

    every_seconds = REFRESH_SECONDS

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []  # on the screen

    @override
    def _write(self, status: Status) -> None:
        columns, rows = self._size()
        lines = table_lines(status, columns - 1, rows - 1)
        drawn = "".join(f"{line}{TO_LINE_END}\n" for line in lines)
        self._put(f"{HIDE_CURSOR}{NO_WRAP}{self._back(columns)}{drawn}{TO_SCREEN_END}{WRAP}")
        self._lines = lines

    @override
    def log(self, level: int, text: str) -> None:
        self._put(f"{self._back(self._size()[0])}{TO_SCREEN_END}")
        self._lines, self._shown_at = [], -float("inf")
        super().log(level, text)

    @override
    def close(self, status: Callable[[], Status]) -> None:
        super().close(status)
        self._put(SHOW_CURSOR)

    def _back(self, columns: int) -> str:
        """To the first line of the table."""
        rows = sum(max(1, -(-width(line) // columns)) for line in self._lines)
        return f"{ESCAPE}{rows}A\r" if rows else "\r"

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _size(self) -> tuple[int, int]:
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            found = shutil.get_terminal_size()
        return max(found.columns, 2), max(found.lines, 2)


class Lines(Screen):
    """A line a second, as text or as JSON."""

    every_seconds = LINE_EVERY_SECONDS

    def __init__(self, stream: TextIO, style: str) -> None:
        super().__init__()
        self._stream, self._style = stream, style
        self._latest = ""

    @override
    def _write(self, status: Status) -> None:
        if self._style == "json":
            labels = [{"name": name, "score": round(score, 6)} for name, score in status.labels]
            line = json.dumps({"event": "labels", **status.values, "labels": labels})
        else:
            line = text_line(status)
        if line != self._latest:
            print(line, file=self._stream, flush=True)
        self._latest = line


class Nothing(Screen):
    """Shows nothing."""

    every_seconds = float("inf")

    @override
    def _write(self, status: Status) -> None:
        """Nothing."""


def screen_for(stream: TextIO, *, quiet: bool, log_format: str) -> Screen:
    """The way of showing that suits where the standard output goes."""
    if quiet:
        return Nothing()
    is_terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return Terminal(stream) if is_terminal and log_format == "text" else Lines(stream, log_format)
