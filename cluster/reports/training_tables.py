"""Tables of a training record: its numbers as rows that the report's template writes down.

In: parts of a `TrainingRecord`. Out: rows for the template. Of more than `MOST_ROWS` classes, the two ends of a ranking
stand for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from classifiers.metrics.correlation import FEWEST_VIDEOS
from cluster.reports.numbers import figure_text, percent_text
from schemas.trainings import (
    SPLITS,
    TRAINING,
    ClassScore,
    Confidence,
    SplitResult,
    TradedClasses,
    TrainedClass,
    TrainingRecord,
)

MOST_ROWS = 64
END_ROWS = 20
DASH = "–"

# What the numbers are called, and what they mean.
METRICS = {
    "loss": ("Loss", "mean cross-entropy, without penalties: the one number here of which less is better"),
    "hit_at_one": ("hit@1", "videos whose most probable class is one of theirs: with one class a video, the accuracy"),
    "top_1_accuracy": ("Top-1 accuracy", "the same as hit@1, by its other name"),
    "top_5_accuracy": ("Top-5 accuracy", "videos with a class of theirs among the five most probable ones"),
    "perr": ("PERR", "of a video's L classes, those found among its L most probable ones; the mean over the videos"),
    "mean_average_precision": ("mAP", "average precision of each class; the mean over the classes that have videos"),
    "gap": ("GAP@20", "average precision of the 20 most probable classes of all videos in one list"),
}
AVERAGES = {
    "macro": ("Macro F1", "mean of precision and recall (harmonic) of each class; classes count alike"),
    "weighted": ("Weighted F1", "likewise, and classes count by their videos"),
    "micro": ("Micro F1", "likewise, of all predictions in one"),
}

T = TypeVar("T")


@dataclass(frozen=True)
class Group(Generic[T]):
    """Rows of a table that stand together; `caption` is empty where they are all there are."""

    caption: str
    rows: Sequence[T]


@dataclass(frozen=True)
class Line:
    """One measure: its name, what it means, and its value in each column."""

    name: str
    meaning: str
    values: tuple[str, ...]


def metric_lines(splits: Sequence[SplitResult]) -> list[Line]:
    """One line a metric, those that are known first, and one column a split."""
    present = {name for split in splits for name in split.summary}
    lines = []
    for name in [*(name for name in METRICS if name in present), *sorted(present - set(METRICS))]:
        title, meaning = METRICS.get(name, (name, ""))
        told = figure_text if name == "loss" or name not in METRICS else percent_text
        values = (split.summary.get(name) for split in splits)
        lines.append(Line(title, meaning, tuple(DASH if value is None else told(value) for value in values)))
    for name, (title, meaning) in AVERAGES.items():
        averages = [split.averages.get(name) for split in splits]
        if any(averages):
            texts = tuple(DASH if average is None else percent_text(average.f1) for average in averages)
            lines.append(Line(title, meaning, texts))
    return lines


def class_groups(split: SplitResult) -> list[Group[ClassScore]]:
    """All classes in their order; or the worst and the best by F1 of those that have videos, most videos first."""
    if len(split.classes) <= MOST_ROWS:
        return [Group("", split.classes)]
    known = [row for row in split.classes if row.support]
    lowest = sorted(known, key=lambda row: (row.f1, -row.support))
    highest = sorted(known, key=lambda row: (-row.f1, -row.support))
    return _ends(lowest, highest, "Lowest F1", "Highest F1")


def confidence_groups(split: SplitResult) -> list[Group[Confidence]]:
    """Classes that have videos, the surest first."""
    return _ends(split.confidence, split.confidence[::-1], "Surest", "Least sure")


def count_groups(classes: Sequence[TrainedClass]) -> list[Group[tuple[int, TrainedClass]]]:
    """Classes with their positions, those with the most training videos first."""
    ranked = sorted(enumerate(classes), key=lambda item: (-item[1].videos.get(TRAINING, 0), item[0]))
    return _ends(ranked, ranked[::-1], "Most videos", "Fewest videos")


def correlated_classes(split: SplitResult) -> set[int]:
    """Those with enough videos for correlations among them to mean something."""
    return {row.index for row in split.classes if row.support >= FEWEST_VIDEOS}


def trades(split: SplitResult, count: int) -> list[TradedClasses]:
    """The pairs of classes that trade most probability, at most `count`, of classes with enough videos."""
    enough = correlated_classes(split)
    pairs = [
        TradedClasses(true=true, other=other, correlation=correlation)
        for true, correlations in zip(split.followed, split.traded, strict=False)
        for other, correlation in zip(split.followed, correlations, strict=True)
        if true in enough and true != other and correlation is not None and correlation < 0
    ]
    return sorted(pairs, key=lambda pair: pair.correlation)[:count]


def split_of_report(record: TrainingRecord) -> SplitResult | None:
    """The split that tells most about new videos: test, or else validation, or else training."""
    return max(record.splits, key=lambda split: SPLITS.index(split.name), default=None)


def always_the_same(split: SplitResult) -> tuple[int, float] | None:
    """The class that most videos of a split have, and the share of videos that naming it always would get right."""
    if not split.videos:
        return None
    most = max(split.classes, key=lambda row: (row.support, -row.index))
    return most.index, most.support / split.videos


def _ends(ranked: Sequence[T], reverse: Sequence[T], first: str, last: str) -> list[Group[T]]:
    """Rows in their order; or the first few of it, and of the opposite one."""
    if len(ranked) <= MOST_ROWS:
        return [Group("", ranked)]
    return [
        Group(f"{caption} ({END_ROWS} of {len(ranked):,} classes)", rows[:END_ROWS])
        for caption, rows in ((first, ranked), (last, reverse))
    ]
