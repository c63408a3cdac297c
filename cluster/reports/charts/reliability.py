"""Reliability diagram: the accuracy of predictions by their confidence.

In: for each series and bin, the mean confidence, the accuracy and the number of predictions. Out: `Markup`, one `<svg>`
(`cluster.reports.charts.svg`). On the dashed line, confidence equals accuracy; below it, the classifier is
overconfident. The area of a dot grows with the predictions in its bin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cluster.reports.charts.svg import CHART, DOT, GRID, PATH, PLOT_BOTTOM, PLOT_HEIGHT, TEXT, plot
from cluster.reports.numbers import FEW, accuracy_text, percent_text

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEFT, RIGHT = 10.0, 2.0  # margins in percent: for the labels of the grid, and for the last dot
SMALLEST_DOT, LARGEST_DOT = 2.5, 8.0


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """One series of bins, each (confidence, accuracy, count); `style` is a CSS class."""

    label: str
    bins: Sequence[tuple[float, float, int]]
    style: str


def reliability(series: Sequence[Reliability], description: str) -> Markup:
    """Draw the series in one diagram."""
    pieces = [GRID.format(_down(tick), "grid" if tick else "axis") for tick in TICKS]
    diagonal = PATH.format(f"M{10 * _across(0):.0f},1000L{10 * _across(1):.0f},0", "curve diagonal")
    pieces.append(plot(diagonal))
    for one in series:
        points = "L".join(f"{10 * _across(bin[0]):.1f},{1000 - 1000 * bin[1]:.1f}" for bin in one.bins)
        if points:
            pieces.append(plot(PATH.format(f"M{points}", f"curve {one.style} translucent")))
    pieces += [
        TEXT.format(0, _down(tick) - 5, "tick halo", f"{100 * tick:.0f}%{' correct' * (tick == 1)}") for tick in TICKS
    ]
    for one in series:
        most = max((count for _, _, count in one.bins), default=1)
        for confidence, accuracy, count in one.bins:
            radius = SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * math.sqrt(count / most)
            title = f"{one.label}: {accuracy_text(accuracy, count)} correct with {percent_text(confidence)} confidence"
            title += f", {count:,} predictions" if count >= FEW else ""
            pieces.append(
                DOT.format(_across(confidence), _down(accuracy), radius, f"dot {one.style} translucent", title)
            )
    for tick in TICKS:
        anchor = "end" if tick == 1 else "middle"
        pieces.append(TEXT.format(_across(tick), PLOT_BOTTOM + 18, f"tick {anchor}", f"{100 * tick:.0f}%"))
    pieces.append(TEXT.format(_across(0.5), PLOT_BOTTOM + 36, "tick middle", "confidence"))
    values = "; ".join(
        f"{one.label} "
        + ", ".join(
            f"{percent_text(confidence)} confidence {accuracy_text(accuracy, count)} correct"
            for confidence, accuracy, count in one.bins
        )
        for one in series
    )
    return CHART.format(f"{description}: {values}", PLOT_BOTTOM + 44, Markup("").join(pieces))


def _across(confidence: float) -> float:
    return LEFT + (100 - LEFT - RIGHT) * confidence


def _down(accuracy: float) -> float:
    return PLOT_BOTTOM - PLOT_HEIGHT * accuracy
