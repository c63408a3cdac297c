"""Curves of a metric over epochs, on training and validation, with a mark at the epoch that was kept.

In: a value per epoch, or None; or per step of another `Axis`. Out: `Markup`, one `<svg>`
(`cluster.reports.charts.svg`). Epochs are counted from 1. Every value is a dot with a tooltip; lines join the dots of
consecutive epochs.
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
    VERTICAL,
    nice_step,
    plot,
)
from cluster.reports.numbers import figure_text

LEFT, RIGHT = 10.0, 1.5  # margins in percent: for the labels of the grid, and for the last dot
LOG_FROM = 100.0  # ratio of the highest value to the lowest
MAX_LABELS = 8  # of the axis
MAX_DECADES = 6
MAX_DOTS = 60  # with more, dots are invisible but keep their tooltips


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line; `style` is a CSS class, `as_text` writes a value."""

    label: str
    values: Sequence[float | None]
    style: str
    as_text: Callable[[float], str] = figure_text


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What the positions of values are: the name of a position in sentences, its label, and the label of the mark."""

    name: Callable[[int], str]
    label: Callable[[int], str]
    mark: Callable[[int], str]


EPOCHS = Axis(name=lambda i: f"epoch {i + 1}", label=lambda i: str(i + 1), mark=lambda i: f"best: epoch {i + 1}")


def curves(lines: Sequence[Curve], best: int, description: str, *, are_shares: bool, axis: Axis = EPOCHS) -> Markup:
    """Draw the lines in one plot, with a mark at position `best`.

    The axis is logarithmic where positive values that are no shares span `LOG_FROM` or more.
    """
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        raise ValueError(f"{description}: no epoch has a value to draw")
    low, high = min(known), max(known)
    is_log = not are_shares and low > 0 and high / low >= LOG_FROM
    ticks = _log_ticks(low, high) if is_log else _ticks(low, high)
    ends = [math.log10(tick) if is_log else tick for tick in (ticks[0], ticks[-1])]
    count = max(len(line.values) for line in lines)

    def across(i: int) -> float:
        return 50.0 if count == 1 else LEFT + (100 - LEFT - RIGHT) * i / (count - 1)

    def height(value: float) -> float:
        return ((math.log10(value) if is_log else value) - ends[0]) / (ends[1] - ends[0])

    pieces = [GRID.format(PLOT_BOTTOM - PLOT_HEIGHT * height(tick), "grid") for tick in ticks[1:]]
    pieces += [GRID.format(PLOT_BOTTOM, "axis"), VERTICAL.format(across(best), PLOT_TOP, PLOT_BOTTOM, "mean")]
    for line in lines:
        parts = [[f"{10 * across(i):.1f},{1000 - 1000 * height(value):.1f}" for i, value in run] for run in _runs(line)]
        path = "".join(f"M{'L'.join(part)}" for part in parts)
        pieces.append(plot(PATH.format(path, f"curve {line.style}")))
    pieces += [
        TEXT.format(
            0,
            PLOT_BOTTOM - PLOT_HEIGHT * height(tick) - 5,
            "tick halo",
            f"{100 * tick:.10g}%" if are_shares else f"{tick:,.10g}",
        )
        for tick in ticks
    ]
    for line in lines:
        for i, value in enumerate(line.values):
            if value is not None:
                title = f"{axis.name(i)}, {line.label}: {line.as_text(value)}"
                radius = 4.5 if i == best else 2.5
                style = f"dot {line.style}" if count <= MAX_DOTS or i == best else f"dot {line.style} hidden"
                down = PLOT_BOTTOM - PLOT_HEIGHT * height(value)
                pieces.append(DOT.format(across(i), down, radius, style, title))
    step = _whole(nice_step(max(count / MAX_LABELS, 1)))
    for i in sorted({0, *range(step - 1, count, step)}):
        pieces.append(TEXT.format(across(i), PLOT_BOTTOM + 18, f"tick {_anchor(across(i))}", axis.label(i)))
    mark = axis.mark(best)
    pieces.append(TEXT.format(across(best), PLOT_BOTTOM + 36, f"tick strong {_anchor(across(best))}", mark))
    scale = ", on a logarithmic scale" if is_log else ""
    return CHART.format(
        f"{description}{scale}: {_values(lines, best, axis)}", PLOT_BOTTOM + 44, Markup("").join(pieces)
    )


def _values(lines: Sequence[Curve], best: int, axis: Axis) -> str:
    """First, last and best values of the lines, for the accessible description."""
    values = []
    for line in lines:
        known = [value for value in line.values if value is not None]
        at_best = line.values[best] if best < len(line.values) else None
        as_text = line.as_text
        best_text = "no value" if at_best is None else as_text(at_best)
        if known:
            values.append(
                f"{line.label} from {as_text(known[0])} to {as_text(known[-1])}, {best_text} at {axis.name(best)}"
            )
    return "; ".join(values)


def _runs(line: Curve) -> list[list[tuple[int, float]]]:
    """Stretches of consecutive values, with their positions."""
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(line.values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((i, value))
    return [run for run in runs if run]


def _ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers that enclose the range."""
    span = high - low
    if span <= 1e-9 * abs(high):  # equal values: leave room below, since no share is above 100%
        span = abs(high) or 1.0
        low = high - span / 4 if high > 0 else low
        high = high if high > 0 else low + span / 4
    step = nice_step((high - low) / 4)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten that enclose the range, with at most `MAX_DECADES` steps."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    step = math.ceil((last - first) / MAX_DECADES)
    return [10.0**power for power in range(last - step * math.ceil((last - first) / step), last + 1, step)]


def _whole(step: float) -> int:
    """A step between epochs must be whole: 5 in place of 2.5."""
    return int(step) if step.is_integer() else int(2 * step)


def _anchor(across: float) -> str:
    return "end" if across > 90 else "middle"
