"""Charts of a training record: its numbers as they are drawn in the report.

In: parts of a `TrainingRecord`, and the classes' names as they are to be read. Out: `Markup`, or None where there is
nothing to draw.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup

from cluster.reports.charts.curves import Curve, curves
from cluster.reports.charts.heat_map import MOST_CLASSES, Cell, heat_map, scale
from cluster.reports.charts.reliability import Reliability, reliability
from cluster.reports.numbers import percent_text, short_count_text
from cluster.reports.pages import cut
from cluster.reports.training_tables import correlated_classes
from schemas.trainings import TEST, ReliabilityBin, SplitResult, TrainingRecord

SERIES = {"training": "train", "validation": "valid"}  # splits that are followed over the epochs, with their style
RIGHT_STEPS = (1.0, 0.5, 0.1)
WRONG_STEPS = (0.01, 0.05, 0.25, 1.0)
CORRELATION_STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def metric_curves(record: TrainingRecord, metric: str, spoken: str, *, are_shares: bool) -> Markup | None:
    """How a metric went on each split, epoch by epoch."""
    lines = [
        Curve(label=split, values=[getattr(epoch, split).get(metric) for epoch in record.history], style=style)
        for split, style in SERIES.items()
    ]
    lines = [line for line in lines if any(value is not None for value in line.values)]
    return curves(lines, record.best_epoch, spoken, are_shares=are_shares) if lines else None


def confusion_map(split: SplitResult, names: Sequence[str]) -> Markup | None:
    """Which class videos have, and which they were given; shades are square roots, so that a few mistakes show."""
    if not split.confusion or len(names) > MOST_CLASSES:
        return None
    cells = []
    for true, counts in enumerate(split.confusion):
        total = sum(counts)
        for given, count in enumerate(counts):
            if count:
                share = count / total
                shade = math.sqrt(share)
                videos = "1 video" if count == 1 else f"{count:,} videos"
                title = f"{cut(names[true])} → {cut(names[given])}: {videos}, {percent_text(share)} of the class"
                cells.append(
                    Cell(
                        row=true,
                        column=given,
                        shade=shade if true == given else -shade,
                        title=title,
                        text=_whole_percent(share),
                        note=short_count_text(count),
                    )
                )
    right = sum(counts[i] for i, counts in enumerate(split.confusion))
    spoken = f"Confusion matrix of {len(names)} classes: {right:,} of {split.videos:,} videos were given their class"
    drawn = heat_map(names, cells, rows="true", columns="given", spoken=spoken)
    steps = [(math.sqrt(share), f"{100 * share:g}% right") for share in RIGHT_STEPS]
    return drawn + scale([*steps, *((-math.sqrt(share), f"{100 * share:g}% wrong") for share in WRONG_STEPS)])


def correlation_map(split: SplitResult, names: Sequence[str]) -> Markup | None:
    """How the probability of a class varies with that of each other one, among the class's own videos."""
    followed = [names[i] for i in split.followed]
    if not 1 < len(followed) <= MOST_CLASSES:
        return None
    enough = correlated_classes(split)
    cells = []
    for row, correlations in enumerate(split.traded):
        if split.followed[row] not in enough:
            continue
        for column, correlation in enumerate(correlations):
            if row != column and correlation is not None:
                title = f"among the videos of {cut(followed[row])}, with {cut(followed[column])}: {correlation:.3f}"
                text = f"{round(correlation, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "−")
                cells.append(Cell(row=row, column=column, shade=correlation, title=title, text=text))
    if not cells:
        return None
    spoken = f"Correlations between the probabilities of {len(followed)} classes, among the videos of each"
    drawn = heat_map(followed, cells, rows="videos of", columns="with", spoken=spoken)
    return drawn + scale((step, f"{step:g}".replace("-", "−")) for step in CORRELATION_STEPS)


def temperature_chart(record: TrainingRecord) -> Markup | None:
    """The reliability diagram of the videos that the temperature was fitted to, without it and with it."""
    fit = record.temperature
    if fit is None:
        return None
    before = Reliability(label="before", bins=_bins(fit.reliability_before), style="before")
    after = Reliability(label="after", bins=_bins(fit.reliability_after), style="valid")
    return reliability([before, after], "Reliability of validation")


def split_reliability(split: SplitResult) -> Markup:
    """The reliability diagram of a split, with the fitted temperature."""
    style = "fill" if split.name == TEST else SERIES[split.name]
    series = Reliability(label=split.name, bins=_bins(split.reliability), style=style)
    return reliability([series], f"Reliability of {split.name}")


def _bins(bins: Sequence[ReliabilityBin]) -> list[tuple[float, float, int]]:
    return [(bin.confidence, bin.accuracy, bin.count) for bin in bins]


def _whole_percent(share: float) -> str:
    """Write a share for a place without room; 0 and 100 only where it is exactly so."""
    percent = 100 * share
    if percent < 0.5:
        return "<1"
    if 99.5 <= percent < 100:
        return ">99"
    return f"{percent:.0f}"
