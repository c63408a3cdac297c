"""Charts of the training report.

In: parts of a `TrainingRecord`, and the classes' display names. Out: `Markup`, or None where there is nothing to draw.
"""

import math
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from cluster.reports.charts.curves import Axis, Curve, curves
from cluster.reports.charts.heat_map import MAX_CLASSES, Cell, heat_map, scale
from cluster.reports.charts.reliability import Reliability, reliability
from cluster.reports.numbers import FEW, accuracy_text, count_of_text, figure_text, percent_text, short_count_text
from cluster.reports.pages import truncate
from cluster.reports.training_sentences import seen_text
from cluster.reports.training_tables import correlated_classes, early_frame
from schemas.evaluations import FrameAccuracy, ReliabilityBin, SplitResult
from schemas.text import counted
from schemas.trainings import TEST, TrainingRecord

SERIES = ("training", "validation")  # splits with metrics for each epoch; also CSS classes
CORRECT_STEPS = (1.0, 0.5, 0.1)
WRONG_STEPS = (0.01, 0.05, 0.25, 1.0)
CORRELATION_STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def metric_curves(record: TrainingRecord, metric: str, description: str, *, are_shares: bool) -> Markup | None:
    """A metric of each split over the epochs."""
    lines = [
        Curve(
            label=split,
            values=[getattr(epoch, split).get(metric) for epoch in record.history],
            style=split,
            as_text=partial(accuracy_text, videos=record.split_sizes.get(split, 0)) if are_shares else figure_text,
        )
        for split in SERIES
    ]
    lines = [line for line in lines if any(value is not None for value in line.values)]
    return curves(lines, record.best_epoch, description, are_shares=are_shares) if lines else None


def frame_curve(found: FrameAccuracy) -> Markup:
    """hit@1 after each frame of the clips, with a mark where it is nearly that of whole clips."""
    line = Curve(
        label="validation",
        values=found.shares,
        style="validation",
        as_text=partial(accuracy_text, videos=found.videos),
    )
    axis = Axis(
        name=lambda i: f"{seen_text(found, i)} seen",
        label=lambda i: f"{figure_text((i + 1) / found.fps)} s" if found.fps else str(i + 1),
        mark=lambda i: f"knows after {seen_text(found, i)}",
    )
    return curves([line], early_frame(found), "hit@1 by what was seen of a clip", are_shares=True, axis=axis)


def confusion_map(split: SplitResult, names: Sequence[str]) -> Markup | None:
    """True against predicted classes; shades are square roots of shares, so that a few mistakes are visible."""
    if not split.confusion or len(names) > MAX_CLASSES:
        return None
    cells = []
    for true, counts in enumerate(split.confusion):
        total = sum(counts)
        for predicted, count in enumerate(counts):
            if count:
                share, is_few = count / total, total < FEW
                shade = math.sqrt(share)
                of_class = f"{counted(count, 'video')}, {percent_text(share)} of class"
                videos = count_of_text(count, total) if is_few else of_class
                title = f"{truncate(names[true])} → {truncate(names[predicted])}: {videos}"
                cells.append(
                    Cell(
                        row=true,
                        column=predicted,
                        shade=shade if true == predicted else -shade,
                        title=title,
                        text=short_count_text(count) if is_few else _whole_percent(share),
                        note="" if is_few else short_count_text(count),
                    )
                )
    correct = sum(counts[i] for i, counts in enumerate(split.confusion))
    description = (
        f"Confusion matrix of {len(names)} classes: {correct:,} of {counted(split.videos, 'video')} are correct"
    )
    drawn = heat_map(names, cells, rows="true", columns="predicted", description=description)
    steps = [(math.sqrt(share), f"{100 * share:g}% correct") for share in CORRECT_STEPS]
    return drawn + scale([*steps, *((-math.sqrt(share), f"{100 * share:g}% wrong") for share in WRONG_STEPS)])


def correlation_map(split: SplitResult, names: Sequence[str]) -> Markup | None:
    """Correlations of a class's probability with that of each other class, over the class's own videos."""
    followed = [names[i] for i in split.followed]
    if not 1 < len(followed) <= MAX_CLASSES:
        return None
    enough = correlated_classes(split)
    cells = []
    for row, correlations in enumerate(split.traded):
        if split.followed[row] not in enough:
            continue
        for column, correlation in enumerate(correlations):
            if row != column and correlation is not None:
                title = f"videos of {truncate(followed[row])}, with {truncate(followed[column])}: {correlation:.3f}"
                text = f"{round(correlation, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "−")
                cells.append(Cell(row=row, column=column, shade=correlation, title=title, text=text))
    if not cells:
        return None
    description = f"Correlations between the probabilities of {len(followed)} classes, over the videos of each"
    drawn = heat_map(followed, cells, rows="videos of", columns="with", description=description)
    return drawn + scale((step, f"{step:g}".replace("-", "−")) for step in CORRELATION_STEPS)


def temperature_chart(record: TrainingRecord) -> Markup | None:
    """The reliability diagram of the videos that the temperature was fitted on, before and after."""
    fit = record.temperature
    if fit is None:
        return None
    before = Reliability(label="before", bins=_bins(fit.reliability_before), style="before")
    after = Reliability(label="after", bins=_bins(fit.reliability_after), style="validation")
    return reliability([before, after], "Reliability on validation")


def split_reliability(split: SplitResult) -> Markup:
    """The reliability diagram of a split, with the fitted temperature."""
    style = "fill" if split.name == TEST else split.name
    series = Reliability(label=split.name, bins=_bins(split.reliability), style=style)
    return reliability([series], f"Reliability on {split.name}")


def _bins(bins: Sequence[ReliabilityBin]) -> list[tuple[float, float, int]]:
    return [(bin.confidence, bin.accuracy, bin.count) for bin in bins]


def _whole_percent(share: float) -> str:
    """Write a share for a narrow place, 0 or 100 only if exact."""
    percent = 100 * share
    if percent < 0.5:
        return "<1"
    if 99.5 <= percent < 100:
        return ">99"
    return f"{percent:.0f}"
