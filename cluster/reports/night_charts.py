"""Charts of the nightly report: columns by night, a histogram of scores, shares compared with previous nights.

In: numbers and texts. Out: `Markup`, one `<svg>` as wide as its container (`cluster.reports.charts.svg`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from cluster.reports.charts.bars import BAR_PITCH, Bar, described
from cluster.reports.charts.svg import CHART, GRID, NAME, RECT, TEXT, VERTICAL
from cluster.reports.numbers import FEW, count_of_text, share_text, short_count_text
from cluster.reports.pages import escape_invisible, truncate
from schemas.label_statistics import ClassDrift

COLUMNS_TOP = 18  # room for the value above the highest column
COLUMNS_BOTTOM = 92
SCORE_LABEL_EVERY = 5  # bins
DAY_LABELS = 5  # that a narrow chart has room for
NAME_PERCENT = 58  # of the width, for a label; its numbers stand beside it


def columns(bars: Sequence[Bar | str], description: str) -> Markup:
    """Draw columns above their labels; values stand above the last one, and above the highest if not too close.

    A text in place of a bar is a gap, with this label.
    """
    drawn = [bar for bar in bars if isinstance(bar, Bar)]
    largest = max((bar.value for bar in drawn), default=0.0) or 1.0
    width = 100 / max(len(bars), 1)
    last = len(bars) - 1
    step = math.ceil(len(bars) / DAY_LABELS)
    highest = next((place for place, bar in enumerate(bars) if isinstance(bar, Bar) and bar.value == largest), last)
    pieces = []
    for place, bar in enumerate(bars):
        label = "" if (last - place) % step else bar if isinstance(bar, str) else bar.label
        if label:
            anchor, across = (
                ("start", place) if place == 0 else ("end", place + 1) if place == last else ("middle", place + 0.5)
            )
            pieces.append(TEXT.format(across * width, COLUMNS_BOTTOM + 16, f"tick {anchor}", label))
        if isinstance(bar, str):
            continue
        height = max((COLUMNS_BOTTOM - COLUMNS_TOP) * bar.value / largest, 2.0 if bar.value else 0.0)
        top, middle = COLUMNS_BOTTOM - height, (place + 0.5) * width
        title = f"{bar.label}: {bar.text}"
        pieces.append(RECT.format((place + 0.08) * width, top, 0.84 * width, height, 2, bar.style, title))
        if place == last:
            pieces.append(TEXT.format((place + 0.92) * width, top - 5, "tick end strong", bar.text))
        elif place == highest and (last - place > 1 or last < 4):
            pieces.append(TEXT.format(middle, top - 5, "tick middle", bar.text))
    pieces.append(GRID.format(COLUMNS_BOTTOM, "axis"))
    return CHART.format(described(description, drawn), COLUMNS_BOTTOM + 24, Markup("").join(pieces))


def _day_label(place: int, columns: int, label: str) -> Markup:
    """A label below its column; those at the ends stay within the chart where columns are narrower than labels."""
    anchor, across = "middle", place + 0.5
    if columns > DAY_LABELS and place == 0:
        anchor, across = "start", 0
    elif columns > DAY_LABELS and place == columns - 1:
        anchor, across = "end", columns
    return TEXT.format(100 * across / columns, COLUMNS_BOTTOM + 16, f"tick {anchor}", label)


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


def shares_chart(rows: Sequence[ClassDrift], *, has_before: bool, description: str, videos: int) -> Markup:
    """Draw a bar for each share; a vertical line marks its previous value, a colour significant changes.

    Shares of a few `videos` are written as counts.
    """
    largest = max((max(row.share, row.share_before) for row in rows), default=0.0) or 1.0
    pieces, values = [], []
    for place, row in enumerate(rows):
        top = place * BAR_PITCH
        whole = escape_invisible(row.name)
        name = truncate(whole)
        text = share_text(row.share, 1) if videos >= FEW else count_of_text(row.count, videos)
        if has_before:
            text = f"{text} · {points_text(row)}"
        title = f"{name}: {text}"
        values.append(f"{name} {text}")
        pieces.append(NAME.format(top, NAME_PERCENT, whole, name))
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
