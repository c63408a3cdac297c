"""Charts of the nightly report: columns by night, a histogram of scores, shares compared with previous nights.

In: numbers and texts. Out: `Markup`, one `<svg>` as wide as its container (`cluster.reports.charts.svg`).
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from cluster.reports.charts.bars import BAR_PITCH, Bar, described
from cluster.reports.charts.svg import CHART, GRID, RECT, TEXT, VERTICAL
from cluster.reports.numbers import share_text, short_count_text
from cluster.reports.pages import escape_invisible, truncate
from schemas.label_statistics import ClassDrift

COLUMNS_TOP = 18  # room for the value above the highest column
COLUMNS_BOTTOM = 92
SCORE_LABEL_EVERY = 5  # bins


def columns(bars: Sequence[Bar], description: str) -> Markup:
    """Draw columns above their labels; values stand above the last one, and above the highest if not too close."""
    largest = max((bar.value for bar in bars), default=0.0) or 1.0
    width = 100 / max(len(bars), 1)
    last = len(bars) - 1
    highest = next((place for place, bar in enumerate(bars) if bar.value == largest), last)
    pieces = []
    for place, bar in enumerate(bars):
        height = max((COLUMNS_BOTTOM - COLUMNS_TOP) * bar.value / largest, 2.0 if bar.value else 0.0)
        top, middle = COLUMNS_BOTTOM - height, (place + 0.5) * width
        title = f"{bar.label}: {bar.text}"
        pieces.append(RECT.format((place + 0.08) * width, top, 0.84 * width, height, 2, bar.style, title))
        if place == last:
            pieces.append(TEXT.format((place + 0.92) * width, top - 5, "tick end strong", bar.text))
        elif place == highest and (last - place > 1 or last < 4):
            pieces.append(TEXT.format(middle, top - 5, "tick middle", bar.text))
        pieces.append(TEXT.format(middle, COLUMNS_BOTTOM + 16, "tick middle", bar.label))
    pieces.append(GRID.format(COLUMNS_BOTTOM, "axis"))
    return CHART.format(described(description, bars), COLUMNS_BOTTOM + 24, Markup("").join(pieces))


def score_columns(counts: Sequence[int], description: str) -> Markup:
    """Draw a histogram of scores, in equal bins from 0 to 1."""
    largest, bins = max(counts, default=0) or 1, max(len(counts), 1)
    pieces = []
    for place, count in enumerate(counts):
        height = max((COLUMNS_BOTTOM - COLUMNS_TOP) * count / largest, 2.0 if count else 0.0)
        title = f"{place / bins:.2f} to {(place + 1) / bins:.2f}: {count:,}"
        left, top = 100 * (place + 0.06) / bins, COLUMNS_BOTTOM - height
        pieces.append(RECT.format(left, top, 88 / bins, height, 2, "fill", title))
        if count == largest:
            pieces.append(TEXT.format(100 * (place + 0.5) / bins, top - 5, "tick middle", short_count_text(count)))
    pieces.append(GRID.format(COLUMNS_BOTTOM, "axis"))
    for edge in range(0, bins + 1, SCORE_LABEL_EVERY):
        anchor = "start" if edge == 0 else "end" if edge == bins else "middle"
        pieces.append(TEXT.format(100 * edge / bins, COLUMNS_BOTTOM + 16, f"tick {anchor}", f"{edge / bins:g}"))
    values = "; ".join(f"from {place / bins:.2f} {count:,}" for place, count in enumerate(counts) if count)
    return CHART.format(f"{description}: {values}", COLUMNS_BOTTOM + 24, Markup("").join(pieces))


def shares_chart(rows: Sequence[ClassDrift], *, has_before: bool, description: str) -> Markup:
    """Draw a bar for each share; a vertical line marks its previous value, a colour significant changes."""
    largest = max((max(row.share, row.share_before) for row in rows), default=0.0) or 1.0
    pieces, values = [], []
    for place, row in enumerate(rows):
        top = place * BAR_PITCH
        name, text = escape_invisible(truncate(row.name)), share_text(row.share, 1)
        if has_before:
            text = f"{text} · {points_text(row)}"
        title = f"{name}: {text}"
        values.append(f"{name} {text}")
        pieces.append(TEXT.format(0, top + 14, "label", name))
        pieces.append(TEXT.format(100, top + 14, f"label end {'marked' if row.is_marked and has_before else ''}", text))
        pieces.append(RECT.format(0, top + 22, 100, 8, 4, "track", title))
        if row.share > 0:
            style = "changed" if row.is_marked and has_before else "fill"
            pieces.append(RECT.format(0, top + 22, 100 * row.share / largest, 8, 4, style, title))
        if has_before:
            pieces.append(VERTICAL.format(99.8 * row.share_before / largest + 0.1, top + 18, top + 34, "previous"))
    return CHART.format(
        f"{description}: {'; '.join(values)}", max(len(rows) * BAR_PITCH - 6, 1), Markup("").join(pieces)
    )


def points_text(row: ClassDrift) -> str:
    """Write a difference of shares and its standard error in percentage points: `+2.1 ± 0.4`."""
    return f"{100 * row.difference:+.1f} ± {100 * row.error:.1f}".replace("-", "−")
