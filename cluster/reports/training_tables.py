"""Tables of the training report.

In: parts of a `TrainingRecord`. Out: rows for the template. Of more than `MAX_ROWS` classes, the first and the last of
a ranking are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from classifiers.metrics.correlation import MIN_VIDEOS
from cluster.reports.numbers import accuracy_text, figure_text, measure_text, percent_text
from schemas.evaluations import ClassScore, Confidence, FrameAccuracy, SplitResult, TradedClasses
from schemas.trainings import SPLITS, TRAINING, TrainedClass, TrainingRecord

MAX_ROWS = 64
END_ROWS = 20
DASH = "–"
NEARLY = 0.95  # of the accuracy on whole clips

# Title and definition of each metric.
METRICS = {
    "loss": ("Loss", "mean cross-entropy without penalties; lower is better"),
    "hit_at_one": (
        "hit@1",
        "videos whose most probable class is one of their labels; with one label per video, the accuracy",
    ),
    "top_1_accuracy": ("Top-1 accuracy", "another name of hit@1"),
    "top_5_accuracy": ("Top-5 accuracy", "videos with one of their labels among the five most probable classes"),
    "perr": ("PERR", "share of a video's L labels among its L most probable classes; mean over the videos"),
    "mean_average_precision": ("mAP", "average precision of a class; mean over the classes that have videos"),
    "mean_average_precision_at_10": (
        "mAP@10",
        "the same of the ten most probable videos of a class, and at most ten of its labels",
    ),
    "gap": ("GAP@20", "average precision of one ranking of the 20 most probable classes of all videos"),
    "word_error_rate": (
        "Word error rate",
        "fewest words to insert, leave out or replace in what was read, by the words that were said",
    ),
    "character_error_rate": ("Character error rate", "the same of characters, spaces among them"),
    "sentence_accuracy": ("Exact sentences", "videos that were read without an error"),
    "mean_word_error_rate": ("Mean word error rate", "mean of the rates of the sentences"),
    "mean_character_error_rate": ("Mean character error rate", "likewise of characters"),
}
SHARES = ("hit_at_one", "top_1_accuracy", "top_5_accuracy", "sentence_accuracy")  # of the videos; few are counted
RATES = ("word_error_rate", "character_error_rate", "mean_word_error_rate", "mean_character_error_rate")
AVERAGES = {
    "macro": ("Macro F1", "harmonic mean of precision and recall of each class; unweighted mean over the classes"),
    "weighted": ("Weighted F1", "the same, classes weighted by their number of videos"),
    "micro": ("Micro F1", "the same, over the predictions of all classes together"),
}

T = TypeVar("T")


@dataclass(frozen=True)
class Group(Generic[T]):
    """Consecutive rows of a table; `caption` is empty if they are all rows."""

    caption: str
    rows: Sequence[T]


@dataclass(frozen=True)
class MetricRow:
    """A metric: its name, its definition, and its value for each split."""

    name: str
    definition: str
    values: tuple[str, ...]


def metric_rows(splits: Sequence[SplitResult]) -> list[MetricRow]:
    """A row per metric, those of `METRICS` first, and a column per split."""
    present = {name for split in splits for name in split.summary}
    rows = []
    for name in [*(name for name in METRICS if name in present), *sorted(present - set(METRICS))]:
        title, definition = METRICS.get(name, (name, ""))
        texts = tuple(metric_text(name, split.summary.get(name), split.videos) for split in splits)
        rows.append(MetricRow(title, definition, texts))
    for name, (title, definition) in AVERAGES.items():
        averages = [(split.averages.get(name), split.videos) for split in splits]
        if any(average for average, _ in averages):
            texts = tuple(DASH if average is None else measure_text(average.f1, videos) for average, videos in averages)
            rows.append(MetricRow(title, definition, texts))
    return rows


def metric_text(name: str, value: float | None, videos: int) -> str:
    """Write a metric of a split with so many videos."""
    if value is None:
        return DASH
    if name in SHARES:
        return accuracy_text(value, videos)
    if name in RATES:
        return percent_text(value)
    return figure_text(value) if name == "loss" or name not in METRICS else measure_text(value, videos)


def class_texts(split: SplitResult, row: ClassScore) -> tuple[str, str, str]:
    """Precision, recall and F1 of a class: of a few videos the first two as counts."""
    correct = round(row.recall * row.support)
    if split.confusion:
        predicted = sum(counts[row.index] for counts in split.confusion)
    else:
        predicted = round(correct / row.precision) if row.precision else 0
    return (
        accuracy_text(row.precision, predicted) if predicted else DASH,
        accuracy_text(row.recall, row.support) if row.support else DASH,
        measure_text(row.f1, row.support) if row.support else DASH,
    )


def class_groups(split: SplitResult) -> list[Group[ClassScore]]:
    """All classes in order; or those with the lowest and highest F1 among classes with videos."""
    if len(split.classes) <= MAX_ROWS:
        return [Group("", split.classes)]
    known = [row for row in split.classes if row.support]
    lowest = sorted(known, key=lambda row: (row.f1, -row.support))
    highest = sorted(known, key=lambda row: (-row.f1, -row.support))
    return _ends(lowest, highest, "Lowest F1", "Highest F1")


def confidence_groups(split: SplitResult) -> list[Group[Confidence]]:
    """Classes that have videos, the most confident first."""
    return _ends(split.confidence, split.confidence[::-1], "Most confident", "Least confident")


def count_groups(classes: Sequence[TrainedClass]) -> list[Group[tuple[int, TrainedClass]]]:
    """Classes with their positions, by falling number of training videos."""
    ranked = sorted(enumerate(classes), key=lambda item: (-item[1].videos.get(TRAINING, 0), item[0]))
    return _ends(ranked, ranked[::-1], "Most videos", "Fewest videos")


def correlated_classes(split: SplitResult) -> set[int]:
    """Classes with enough videos for a correlation."""
    return {row.index for row in split.classes if row.support >= MIN_VIDEOS}


def most_negative_correlations(split: SplitResult, count: int) -> list[TradedClasses]:
    """The up to `count` pairs with the most negative correlations, of classes with enough videos."""
    enough = correlated_classes(split)
    pairs = [
        TradedClasses(true=true, other=other, correlation=correlation)
        for true, correlations in zip(split.followed, split.traded, strict=False)
        for other, correlation in zip(split.followed, correlations, strict=True)
        if true in enough and true != other and correlation is not None and correlation < 0
    ]
    return sorted(pairs, key=lambda pair: pair.correlation)[:count]


def reported_split(record: TrainingRecord) -> SplitResult | None:
    """The split that predicts results on new videos best: test, else validation, else training."""
    return max(record.splits, key=lambda split: SPLITS.index(split.name), default=None)


def early_frame(found: FrameAccuracy) -> int:
    """The position of the first frame from which on hit@1 is nearly that of whole clips, or more."""
    below = [i for i, share in enumerate(found.shares) if share < NEARLY * found.shares[-1]]
    return below[-1] + 1 if below else 0


def majority_baseline(split: SplitResult) -> tuple[int, float] | None:
    """The most frequent class of a split, and the hit@1 of always predicting it."""
    if not split.videos:
        return None
    most = max(split.classes, key=lambda row: (row.support, -row.index))
    return most.index, most.support / split.videos


def _ends(ranked: Sequence[T], reverse: Sequence[T], first: str, last: str) -> list[Group[T]]:
    """All rows in order; or the first rows of both orders."""
    if len(ranked) <= MAX_ROWS:
        return [Group("", ranked)]
    return [
        Group(f"{caption} ({END_ROWS} of {len(ranked):,} classes)", rows[:END_ROWS])
        for caption, rows in ((first, ranked), (last, reverse))
    ]
