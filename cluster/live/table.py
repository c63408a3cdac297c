"""The table of a live view: status and top classes → the lines of a terminal.

Names of classes come from strangers' checkpoints: what they hold of control characters is shown as escapes. Lines are
cut to the width of the terminal, in columns: East Asian characters and emoji take two, accents none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.text import visible

ELLIPSIS = "…"
BARS = " ▏▎▍▌▋▊▉█"  # eighths
LONGEST_BAR = 40
SHORTEST_BAR = 5
SCORE_COLUMNS = 5  # 0.873


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the table shows.

    title   source and model, without secrets
    facts   times, rates and counts
    values  the same for programs
    labels  top classes and their probabilities, the highest first
    """

    title: str
    facts: Sequence[str]
    values: Mapping[str, Any]
    labels: Sequence[tuple[str, float]]


def table_lines(status: Status, columns: int, rows: int) -> list[str]:
    """At most `rows` lines of at most `columns` columns each."""
    names = [visible(name, kept="") for name, _ in status.labels]
    name_columns = min(max(map(width, names), default=0), max(columns - SCORE_COLUMNS - 2, 1))
    bar_columns = min(columns - name_columns - SCORE_COLUMNS - 4, LONGEST_BAR)
    lines = [status.title, _joined(status.facts, columns), ""]
    for name, (_, score) in zip(names, status.labels, strict=True):
        bar = f"  {_bar(score, bar_columns)}" if bar_columns >= SHORTEST_BAR else ""
        lines.append(f"{_padded(name, name_columns)}  {score:.3f}{bar}")
    return [cut(line, columns) for line in lines[: max(rows, 1)]]


def text_line(status: Status) -> str:
    """The same in one line, for a log."""
    labels = ", ".join(f"{visible(name, kept='')} {score:.3f}" for name, score in status.labels)
    return "  ".join([status.facts[0], labels, *status.facts[1:]]) if labels else "  ".join(status.facts)


def width(text: str) -> int:
    """Columns that `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(one) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def cut(text: str, columns: int) -> str:
    """`text` in at most so many columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text.rstrip()
    kept = text
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return f"{kept}{ELLIPSIS}" if columns > 0 else ""


def _padded(text: str, columns: int) -> str:
    text = cut(text, columns)
    return text + " " * (columns - width(text))


def _joined(facts: Sequence[str], columns: int) -> str:
    """As many of the facts as fit, the first ones first."""
    line = ""
    for fact in facts:
        longer = f"{line}   {fact}" if line else fact
        if line and width(longer) > columns:
            break
        line = longer
    return line


def _bar(score: float, columns: int) -> str:
    eighths = round(min(max(score, 0.0), 1.0) * columns * 8)
    return BARS[-1] * (eighths // 8) + BARS[eighths % 8].strip()
