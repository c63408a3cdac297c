"""A terminal for programs under test: a pseudo-terminal, and a screen that shows what was written to it.

`Display` understands what a table that refreshes in place needs of ECMA-48 and xterm: cursor up, erasing, wrapping on
and off, a hidden cursor, scrolling. Anything else is an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from cluster.live.table import width

SEQUENCE = re.compile(r"\x1b\[(\??)(\d*)([A-Za-z])")


class Display:
    """The screen of a terminal. `history` has the lines that have scrolled off."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.history: list[str] = []
        self.row = self.column = 0
        self.wraps = self.has_cursor = True

    def write(self, text: str) -> None:
        """Take output."""
        place = 0
        while place < len(text):
            if text[place] == "\x1b":
                found = SEQUENCE.match(text, place)
                assert found, f"an unknown sequence: {text[place : place + 12]!r}"
                self._control(*found.groups())
                place = found.end()
            else:
                self._character(text[place])
                place += 1

    @property
    def lines(self) -> list[str]:
        """What is on the screen, from the top, without empty lines at the end."""
        lines = ["".join(row).rstrip() for row in self.cells]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _control(self, private: str, number: str, final: str) -> None:
        match private, number, final:
            case "", _, "A":
                self.row = max(0, self.row - int(number or 1))
            case "", "", "K":
                self.cells[self.row][self.column :] = [" "] * (self.columns - self.column)
            case "", "", "J":
                self.cells[self.row][self.column :] = [" "] * (self.columns - self.column)
                self.cells[self.row + 1 :] = [[" "] * self.columns for _ in range(self.rows - self.row - 1)]
            case "?", "7", ("h" | "l"):
                self.wraps = final == "h"
            case "?", "25", ("h" | "l"):
                self.has_cursor = final == "h"
            case _:
                raise AssertionError(f"an unknown sequence: {private}{number}{final}")

    def _character(self, one: str) -> None:
        if one == "\r":
            self.column = 0
        elif one == "\n":
            self._feed()
        elif one == "\a":
            pass
        else:
            assert one.isprintable(), f"a control character: {one!r}"
            columns = width(one)
            if self.column + columns > self.columns:
                if not self.wraps:
                    return
                self.column = 0
                self._feed()
            if columns:
                self.cells[self.row][self.column : self.column + columns] = [one, *[""] * (columns - 1)]
            self.column += columns

    def _feed(self) -> None:
        if self.row < self.rows - 1:
            self.row += 1
            return
        self.history.append("".join(self.cells.pop(0)).rstrip())
        self.cells.append([" "] * self.columns)


def _take_terminal() -> None:
    """Have ^C reach this process, also where a shell has started the tests in its background."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)


class TerminalProcess:
    """A program on a pseudo-terminal of its own, which is its standard input, output and error."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self.display = Display(columns, rows)
        self.text = ""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)

    def read_until(self, holds: Callable[[Display], bool], timeout_seconds: float = 60.0) -> Display:
        """Read until the display is as wanted, or fail."""
        deadline = time.monotonic() + timeout_seconds
        while not holds(self.display):
            assert time.monotonic() < deadline, "\n".join(self.display.lines)
            if not self._read(0.1):
                assert holds(self.display), "\n".join(self.display.lines)
        return self.display

    def press(self, key: str) -> None:
        """Type."""
        os.write(self._master, key.encode())

    def wait(self, timeout_seconds: float = 60.0) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + timeout_seconds
        while self._read(0.1):
            assert time.monotonic() < deadline, "\n".join(self.display.lines)
        return self.process.wait(timeout_seconds)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self, timeout_seconds: float) -> bool:
        """Take what was written; False at the end."""
        if not select.select([self._master], [], [], timeout_seconds)[0]:
            return True
        data = b""
        with contextlib.suppress(OSError):  # the end of a pseudo-terminal on Linux
            data = os.read(self._master, 65536)
        # A sequence or a character may come in two parts.
        self._rest = getattr(self, "_rest", b"") + data
        text, self._rest = _whole(self._rest)
        self.text += text
        self.display.write(text)
        return bool(data)


def _whole(data: bytes) -> tuple[str, bytes]:
    """The beginning of `data` that is complete, and the rest."""
    end = len(data)
    escape = data.rfind(b"\x1b")
    if escape >= 0 and not SEQUENCE.match(data[escape:].decode(errors="replace")):
        end = escape
    while end and len(data) - end < 4:
        try:
            return data[:end].decode(), data[end:]
        except UnicodeDecodeError:
            end -= 1
    return data[:end].decode(errors="replace"), data[end:]
