"""The comparison of trainings of the same classes: their metrics, options, groups and heat maps side by side.

In: `TrainingRecord`s by name, and what else the page shows (`cluster.reports.context`). Out: the text of a
self-contained HTML file (`cluster.reports.pages`). Each training's results are those of one split: test, else
validation, else training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from cluster.reports import training_charts, training_sentences
from cluster.reports.charts.svg import inline_bar
from cluster.reports.context import NOTHING, PageContext
from cluster.reports.numbers import accuracy_text, percent_text
from cluster.reports.pages import escape_invisible, render_page, settings_table
from cluster.reports.training_tables import DASH, metric_rows, reported_split
from schemas.evaluations import SplitResult
from schemas.text import counted
from schemas.trainings import TrainingRecord

MAX_TRAININGS = 6
HIT = "hit_at_one"
DEVIATIONS = 2  # standard deviations, within which a difference may be chance
PLACES = ("output", "config")  # options that differ between any two trainings


@dataclass(frozen=True)
class Compared:
    """A training with the split that its results are of, and the accuracy on it."""

    name: str
    record: TrainingRecord
    split: SplitResult

    @property
    def accuracy(self) -> float:
        """hit@1 on the split; 0 where it is not known."""
        return self.split.summary.get(HIT) or 0.0

    @property
    def accuracy_text(self) -> str:
        """The same as text."""
        return accuracy_text(self.accuracy, self.split.videos)


def problems_of(records: Mapping[str, TrainingRecord]) -> list[str]:
    """Why trainings cannot be compared."""
    problems = [
        f"{name} is the training of a lip reader; classifiers are compared"
        if record.lips
        else f"{name} was evaluated on no split"
        for name, record in records.items()
        if not record.splits
    ]
    (first, reference), *others = records.items()
    classes = [one.name for one in reference.classes]
    for name, record in others:
        if [one.name for one in record.classes] != classes:
            problems.append(f"{name} has other classes than {first}: their accuracies do not compare")
    return problems


def render_comparison(records: Mapping[str, TrainingRecord], context: PageContext = NOTHING) -> str:
    """The page of the trainings, of which there are no `problems_of`."""
    return render_page("comparison.html", _content(records), context)


def compared(records: Mapping[str, TrainingRecord]) -> list[Compared]:
    """The trainings with their reported splits."""
    splits = ((name, record, reported_split(record)) for name, record in records.items())
    return [Compared(name, record, split) for name, record, split in splits if split is not None]


def findings(trainings: Sequence[Compared]) -> Iterator[str]:
    """What the figures say, in sentences."""
    for one in trainings:
        videos = counted(one.split.videos, f"{one.split.name} video")
        yield f"{one.name}: {one.accuracy_text} of {videos} classified correctly."
    with_groups = [one for one in trainings if one.split.group_count]
    known = [one for one in with_groups if one.split.known_groups == one.split.group_count]
    new = [one for one in with_groups if not one.split.known_groups]
    for one, other in product(known, new):
        yield _leak(one, other)


def _leak(known: Compared, new: Compared) -> str:
    """What the difference between an accuracy on known groups and one on new groups says."""
    difference = known.accuracy - new.accuracy
    chance = DEVIATIONS * math.hypot(_deviation(known), _deviation(new))
    each = [row.accuracy for row in new.split.groups]
    groups = counted(new.split.group_count, "group")
    facts = (
        f"All groups of {known.name} have videos on both sides of the split, none of {new.name} has: {known.name} is "
        f"{_points(difference)} {'better' if difference >= 0 else 'worse'}"
    )
    if abs(difference) <= chance:
        return (
            f"{facts}. With so few videos, up to {_points(chance)} may be chance: this does not show that the look of "
            "a group gives its classes away."
        )
    if difference < 0:
        return f"{facts}: the {groups} of {new.name} are easier than the others. Other seeds of the split tell more."
    return (
        f"{facts}; chance explains {_points(chance)} at most. The videos of a group share their look (the person, the "
        "room, the camera), and a network that has seen the look in training recognises it: that part of the accuracy "
        f"is knowledge of groups, not of classes. For videos of new groups, expect {new.accuracy_text}; the {groups} "
        f"that it was measured on reach from {percent_text(min(each))} to {percent_text(max(each))}."
    )


def _deviation(one: Compared) -> float:
    """The standard deviation of an accuracy, were each video drawn by itself."""
    return math.sqrt(one.accuracy * (1 - one.accuracy) / one.split.videos)


def _points(share: float) -> str:
    return f"{100 * abs(share):.1f} points"


def _content(records: Mapping[str, TrainingRecord]) -> dict[str, Any]:
    """The variables of the template."""
    trainings = compared(records)
    names = [escape_invisible(one.name).strip() or f"class {one.index}" for one in trainings[0].record.classes]
    return {
        "trainings": trainings,
        "names": names,
        "findings": list(findings(trainings)),
        "sentences": training_sentences,
        "accuracy": accuracy_text,
        "inline_bar": inline_bar,
        "metric_rows": metric_rows([one.split for one in trainings]),
        "options": _different_options(trainings),
        "confusion_maps": [training_charts.confusion_map(one.split, names) for one in trainings],
        "correlation_maps": [training_charts.correlation_map(one.split, names) for one in trainings],
        "confidence_rows": _confidence_rows(trainings, names),
    }


def _different_options(trainings: Sequence[Compared]) -> list[tuple[str, tuple[str, ...]]]:
    """Options, by name, that do not have the same value everywhere."""
    tables = [dict(settings_table(one.record.configuration)) for one in trainings]
    rows = ((name, tuple(table.get(name, DASH) for table in tables)) for name in sorted(set().union(*tables)))
    return [(name, values) for name, values in rows if len(set(values)) > 1 and name not in PLACES]


def _confidence_rows(trainings: Sequence[Compared], names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """For each class the mean and deviation of the right class's probability; the least confident in the last first."""
    by_class = [{row.index: row for row in one.split.confidence} for one in trainings]
    order = sorted(range(len(names)), key=lambda i: by_class[-1][i].mean if i in by_class[-1] else math.inf)
    return [
        (names[i], tuple(training_sentences.mean_and_deviation(rows[i]) if i in rows else DASH for rows in by_class))
        for i in order
    ]
