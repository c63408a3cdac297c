"""Charts of the nightly report: a few columns side by side, and shares beside what they were before.

In: plain numbers and texts. Out: `Markup`, one `<svg>` that is as wide as its place; see `cluster.reports.charts.svg`.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from cluster.reports.charts.bars import BAR_PITCH, Part
from cluster.reports.charts.svg import CHART, GRID, RECT, TEXT, UPRIGHT
from cluster.reports.numbers import share_text, short_count_text
from cluster.reports.pages import cut, seen
from schemas.nights import ClassDrift

COLUMNS_TOP = 18  # room for the value above the highest
COLUMNS_BOTTOM = 92
SCORE_LABEL_EVERY = 5  # bins


def columns(parts: Sequence[Part], spoken: str) -> Markup:
    """Draw columns, each over its label; the last has its text above, and so has the highest unless it is too near."""
    largest = max((part.value for part in parts), default=0.0) or 1.0
    width = 100 / max(len(parts), 1)
    last = len(parts) - 1
    highest = next((place for place, part in enumerate(parts) if part.value == largest), last)
    pieces = []
    for place, part in enumerate(parts):
        height = max((COLUMNS_BOTTOM - COLUMNS_TOP) * part.value / largest, 2.0 if part.value else 0.0)
        top, middle = COLUMNS_BOTTOM - height, (place + 0.5) * width
        title = f"{part.label}: {part.text}"
        pieces.append(RECT.format((place + 0.08) * width, top, 0.84 * width, height, 2, part.style, title))
        if place == last:
            pieces.append(TEXT.format((place + 0.92) * width, top - 5, "tick end strong", part.text))
        elif place == highest and (last - place > 1 or last < 4):
            pieces.append(TEXT.format(middle, top - 5, "tick middle", part.text))
        pieces.append(TEXT.format(middle, COLUMNS_BOTTOM + 16, "tick middle", part.label))
    pieces.append(GRID.format(COLUMNS_BOTTOM, "axis"))
    told = "; ".join(f"{part.label} {part.text}" for part in parts)
    return CHART.format(f"{spoken}: {told}", COLUMNS_BOTTOM + 24, Markup("").join(pieces))


def score_columns(counts: Sequence[int], spoken: str) -> Markup:
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
    told = "; ".join(f"from {place / bins:.2f} {count:,}" for place, count in enumerate(counts) if count)
    return CHART.format(f"{spoken}: {told}", COLUMNS_BOTTOM + 24, Markup("").join(pieces))


def shares_chart(rows: Sequence[ClassDrift], *, has_before: bool, spoken: str) -> Markup:
    """Draw a bar for each share; an upright line is where it was before, and what hardly is chance stands out."""
    largest = max((max(row.share, row.share_before) for row in rows), default=0.0) or 1.0
    pieces, told = [], []
    for place, row in enumerate(rows):
        top = place * BAR_PITCH
        name, text = seen(cut(row.name)), share_text(row.share, 1)
        if has_before:
            text = f"{text} · {points_text(row)}"
        title = f"{name}: {text}"
        told.append(f"{name} {text}")
        pieces.append(TEXT.format(0, top + 14, "label", name))
        pieces.append(TEXT.format(100, top + 14, f"label end {'marked' if row.is_marked and has_before else ''}", text))
        pieces.append(RECT.format(0, top + 22, 100, 8, 4, "track", title))
        if row.share > 0:
            style = "changed" if row.is_marked and has_before else "fill"
            pieces.append(RECT.format(0, top + 22, 100 * row.share / largest, 8, 4, style, title))
        if has_before:
            pieces.append(UPRIGHT.format(99.8 * row.share_before / largest + 0.1, top + 18, top + 34, "before"))
    return CHART.format(f"{spoken}: {'; '.join(told)}", max(len(rows) * BAR_PITCH - 6, 1), Markup("").join(pieces))


def points_text(row: ClassDrift) -> str:
    """Write a difference of shares and its standard error in points: `+2.1 ± 0.4`."""
    return f"{100 * row.difference:+.1f} ± {100 * row.error:.1f}".replace("-", "−")
