"""Curves over epochs: how a number went on training and on validation, and which epoch was kept.

In: a value for each epoch, None where there is none. Out: `Markup`, one `<svg>`; see `cluster.reports.charts.svg`.
Epochs are counted from 1, as people do. Every value is a dot that tells itself; a line joins those that follow each
other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.reports.charts.svg import (
    CHART,
    DOT,
    GRID,
    PATH,
    PLOT_BOTTOM,
    PLOT_HEIGHT,
    PLOT_TOP,
    TEXT,
    UPRIGHT,
    nice_step,
    plot,
)
from cluster.reports.numbers import figure_text, percent_text

LEFT, RIGHT = 10.0, 1.5  # percent that are left free: for the names of the grid's lines, and for a dot to be whole
MOST_LABELS = 8  # of epochs
MOST_DOTS = 60  # of more than that a line alone is clearer; the dots stay to be pointed at


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line; `style` is a class of the style sheet."""

    label: str
    values: Sequence[float | None]
    style: str


def curves(lines: Sequence[Curve], best: int, spoken: str, *, are_shares: bool) -> Markup:
    """Draw the lines over each other, with a mark at position `best`; shares are written as percentages."""
    told = percent_text if are_shares else figure_text
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        raise ValueError(f"{spoken}: no epoch has a value, so that there is nothing to draw")
    ticks = _ticks(min(known), max(known))
    count = max(len(line.values) for line in lines)

    def across(i: int) -> float:
        return 50.0 if count == 1 else LEFT + (100 - LEFT - RIGHT) * i / (count - 1)

    def height(value: float) -> float:
        return (value - ticks[0]) / (ticks[-1] - ticks[0])

    pieces = [GRID.format(PLOT_BOTTOM - PLOT_HEIGHT * height(tick), "grid") for tick in ticks[1:]]
    pieces += [GRID.format(PLOT_BOTTOM, "axis"), UPRIGHT.format(across(best), PLOT_TOP, PLOT_BOTTOM, "mean")]
    for line in lines:
        parts = [[f"{10 * across(i):.1f},{1000 - 1000 * height(value):.1f}" for i, value in run] for run in _runs(line)]
        path = "".join(f"M{'L'.join(part)}" for part in parts)
        pieces.append(plot(PATH.format(path, f"curve {line.style}")))
    pieces += [
        TEXT.format(
            0,
            PLOT_BOTTOM - PLOT_HEIGHT * height(tick) - 5,
            "tick halo",
            f"{100 * tick:.10g}%" if are_shares else f"{tick:.10g}",
        )
        for tick in ticks
    ]
    for line in lines:
        for i, value in enumerate(line.values):
            if value is not None:
                title = f"epoch {i + 1}, {line.label}: {told(value)}"
                radius = 4.5 if i == best else 2.5
                style = f"dot {line.style}" if count <= MOST_DOTS or i == best else f"dot {line.style} faint"
                down = PLOT_BOTTOM - PLOT_HEIGHT * height(value)
                pieces.append(DOT.format(across(i), down, radius, style, title))
    step = _whole(nice_step(max(count / MOST_LABELS, 1)))
    for i in sorted({0, *range(step - 1, count, step)}):
        pieces.append(TEXT.format(across(i), PLOT_BOTTOM + 18, f"tick {_anchor(across(i))}", i + 1))
    kept = f"epoch {best + 1} was kept"
    pieces.append(TEXT.format(across(best), PLOT_BOTTOM + 36, f"tick strong {_anchor(across(best))}", kept))
    return CHART.format(f"{spoken}: {_in_words(lines, best, told)}", PLOT_BOTTOM + 44, Markup("").join(pieces))


def _in_words(lines: Sequence[Curve], best: int, told: Callable[[float], str]) -> str:
    words = []
    for line in lines:
        known = [value for value in line.values if value is not None]
        at_best = line.values[best] if best < len(line.values) else None
        kept = "nothing" if at_best is None else told(at_best)
        if known:
            words.append(f"{line.label} from {told(known[0])} to {told(known[-1])}, {kept} at epoch {best + 1}")
    return "; ".join(words)


def _runs(line: Curve) -> list[list[tuple[int, float]]]:
    """The values that follow each other without a gap, with their positions."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(line.values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((i, value))
    return [run for run in runs if run]


def _ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers around what there is."""
    span = high - low
    if span <= 1e-9 * abs(high):  # all the same: room below, for nothing is right more often than always
        span = abs(high) or 1.0
        low = high - span / 4 if high > 0 else low
        high = high if high > 0 else low + span / 4
    step = nice_step((high - low) / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _whole(step: float) -> int:
    """2.5 is no step from one epoch to another: 5 is."""
    return int(step) if step.is_integer() else int(2 * step)


def _anchor(across: float) -> str:
    return "end" if across > 90 else "middle"
