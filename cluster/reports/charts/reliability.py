"""Reliability diagram: of the predictions made with some probability, how many are right.

In: for each series the mean probability, the share that is right and the number of predictions of each bin.
Out: `Markup`, one `<svg>`; see `cluster.reports.charts.svg`. On the dashed line, probabilities mean what they say;
below it, the classifier is surer than it is right. The more predictions in a bin, the larger its dot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.reports.charts.svg import CHART, DOT, GRID, PATH, PLOT_BOTTOM, PLOT_HEIGHT, TEXT, plot
from cluster.reports.numbers import percent_text

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEFT, RIGHT = 10.0, 2.0  # percent that are left free: for the names of the grid's lines, and for a dot to be whole
SMALLEST_DOT, LARGEST_DOT = 2.5, 8.0


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """One series of bins, each (confidence, accuracy, count); `style` is a class of the style sheet."""

    label: str
    bins: Sequence[tuple[float, float, int]]
    style: str


def reliability(series: Sequence[Reliability], spoken: str) -> Markup:
    """Draw the series over each other."""
    pieces = [GRID.format(_down(tick), "grid" if tick else "axis") for tick in TICKS]
    diagonal = PATH.format(f"M{10 * _across(0):.0f},1000L{10 * _across(1):.0f},0", "curve even")
    pieces.append(plot(diagonal))
    for one in series:
        points = "L".join(f"{10 * _across(bin[0]):.1f},{1000 - 1000 * bin[1]:.1f}" for bin in one.bins)
        if points:
            pieces.append(plot(PATH.format(f"M{points}", f"curve {one.style} sheer")))
    pieces += [
        TEXT.format(0, _down(tick) - 5, "tick halo", f"{100 * tick:.0f}%{' right' * (tick == 1)}") for tick in TICKS
    ]
    for one in series:
        most = max((count for _, _, count in one.bins), default=1)
        for confidence, accuracy, count in one.bins:
            radius = SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * math.sqrt(count / most)
            title = f"{one.label}: {count:,} predictions made with {percent_text(confidence)}, "
            title += f"{percent_text(accuracy)} of them right"
            pieces.append(DOT.format(_across(confidence), _down(accuracy), radius, f"dot {one.style} sheer", title))
    for tick in TICKS:
        label = f"{100 * tick:.0f}%{' sure' * (tick == 0)}"
        pieces.append(TEXT.format(_across(tick), PLOT_BOTTOM + 18, f"tick {'end' if tick == 1 else 'middle'}", label))
    told = "; ".join(
        f"{one.label} "
        + ", ".join(f"{percent_text(sure)} sure {percent_text(right)} right" for sure, right, _ in one.bins)
        for one in series
    )
    return CHART.format(f"{spoken}: {told}", PLOT_BOTTOM + 26, Markup("").join(pieces))


def _across(confidence: float) -> float:
    return LEFT + (100 - LEFT - RIGHT) * confidence


def _down(accuracy: float) -> float:
    return PLOT_BOTTOM - PLOT_HEIGHT * accuracy
