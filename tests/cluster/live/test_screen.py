"""What a terminal shows, and what goes into a log."""

from __future__ import annotations

import io
import json
import logging
import os

import pytest

from cluster.live import screen as module
from cluster.live.screen import Lines, Nothing, Terminal, screen_for
from cluster.live.table import Status
from tests.support.clocks import Clock
from tests.support.terminal import Display


class Shown(io.StringIO):
    """A stream that a display reads."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self.display = display

    def write(self, text: str) -> int:
        self.display.write(text.replace("\n", "\r\n"))
        return len(text)

    def isatty(self) -> bool:
        return True


def status(*labels: tuple[str, float], facts: tuple[str, ...] = ("0:00:01",)) -> Status:
    return Status(title="the title", facts=facts, values={"seconds": 1.5, "dropped": 2}, labels=labels)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")


def test_a_table_stays_in_its_place(clock: Clock, size: None) -> None:
    display = Display(40, 10)
    display.write("$ watch\r\n")
    terminal = Terminal(Shown(display))
    for number in range(30):
        terminal.show(lambda number=number: status(("walk", number / 30), ("run", 0.1)))
        clock.advance(1)
        assert [line.split("  ")[0] for line in display.lines] == ["$ watch", "the title", "0:00:01", "", "walk", "run"]
        assert f"{number / 30:.3f}" in display.lines[4]
    assert display.history == []
    assert not display.has_cursor
    terminal.close(lambda: status(("run", 1.0)))
    assert [line.split("  ")[0] for line in display.lines] == ["$ watch", "the title", "0:00:01", "", "run"]
    assert (display.has_cursor, display.wraps) == (True, True)


def test_a_table_at_the_bottom_scrolls_once(clock: Clock, size: None) -> None:
    display = Display(40, 10)
    for number in range(9):
        display.write(f"{number}\r\n")
    terminal = Terminal(Shown(display))
    for _ in range(5):
        terminal.show(lambda: status(*((f"class {place}", 0.1) for place in range(20))))
        clock.advance(1)
    assert display.lines[:4] == ["the title", "0:00:01", "", "class 0   0.100  ██▎"]
    assert display.history == list("012345678")


def test_a_line_of_the_log_appears_above_the_table(clock: Clock, size: None) -> None:
    display = Display(40, 10)
    stream = Shown(display)
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("framemill")
    logger.addHandler(handler)
    try:
        terminal = Terminal(stream)
        terminal.show(lambda: status(("walk", 0.5)))
        terminal.log(logging.WARNING, "connecting again in 2 s")
        terminal.show(lambda: status(("walk", 0.25)))  # at once
    finally:
        logger.removeHandler(handler)
    assert display.lines[:3] == ["connecting again in 2 s", "the title", "0:00:01"]
    assert len(display.lines) == 5


def test_a_terminal_that_became_narrower_keeps_one_table(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terminals wrap what is on the screen anew; the table finds its first line."""
    display = Display(40, 12)
    terminal = Terminal(Shown(display))
    monkeypatch.setattr(terminal, "_size", lambda: (40, 12))
    terminal.show(lambda: status(("walk", 1.0)))
    shown = display.lines
    narrow = Display(20, 12)
    narrow.write("\r\n".join(shown) + "\r\n")
    assert len(narrow.lines) > len(shown)
    terminal._stream.display = narrow  # type: ignore[attr-defined]
    monkeypatch.setattr(terminal, "_size", lambda: (20, 12))
    clock.advance(1)
    terminal.show(lambda: status(("walk", 0.5)))
    assert [line[:5].strip() for line in narrow.lines] == ["the t", "0:00:", "", "walk"]


def test_tables_refresh_no_more_often_than_anybody_can_see(clock: Clock, size: None) -> None:
    made = []
    terminal = Terminal(Shown(Display(40, 10)))
    for _ in range(100):
        terminal.show(lambda: made.append(1) or status())
        clock.advance(0.01)
    assert len(made) == pytest.approx(10, abs=1)


def test_lines_come_once_a_second_and_when_something_has_changed(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream, "text")
    for number in range(40):
        lines.show(lambda number=number: status(("walk", min(number, 20) / 100)))
        clock.advance(0.1)
    lines.close(lambda: status(("walk", 0.2)))
    assert stream.getvalue().splitlines() == [
        "0:00:01  walk 0.000", "0:00:01  walk 0.100", "0:00:01  walk 0.200"
    ]  # fmt: skip


def test_lines_of_json_escape_what_names_bring_along(clock: Clock) -> None:
    stream = io.StringIO()
    Lines(stream, "json").show(lambda: status(("\x1b[2J\n", 0.5)))
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert json.loads(line) == {
        "event": "labels",
        "seconds": 1.5,
        "dropped": 2,
        "labels": [{"name": "\x1b[2J\n", "score": 0.5}],
    }


def test_the_way_of_showing_suits_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, log = Shown(Display(40, 10)), io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(screen_for(terminal, quiet=False, log_format="text"), Terminal)
    assert isinstance(screen_for(terminal, quiet=False, log_format="json"), Lines)
    assert isinstance(screen_for(terminal, quiet=True, log_format="text"), Nothing)
    assert isinstance(screen_for(log, quiet=False, log_format="text"), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(screen_for(terminal, quiet=False, log_format="text"), Lines)
    quiet = screen_for(log, quiet=True, log_format="text")
    quiet.show(status)
    quiet.close(status)
    assert log.getvalue() == ""
    assert os.environ["TERM"] == "dumb"
