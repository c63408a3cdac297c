"""Events of a classifier against annotated intervals: mean average precision, and what else there is to say.

In: the events of a day (`labelled_events`), a `Truth` (`annotations`), an evaluator's name and thresholds
(`classifiers.metrics.temporal_map`). Out: `EventEvaluation`.

Classes are those of the truth. What the two sides do not share counts as the evaluators have it, and is told:

- a video of the truth without labels: its intervals are missed
- a video with labels that the truth does not have: its events are false, unless only annotated videos are evaluated
- a class of events that the truth does not have: its events are left out, since the mean is over classes with intervals
- with a subset, videos of other subsets are left out
- THUMOS14's label `Ambiguous` is no class, unless events have it: `thumos` takes its intervals as ambiguous ones,
  `activitynet` leaves them out
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from classifiers.metrics.temporal_map import EVALUATORS, Intervals
from cluster.storage.redaction import redacted_uri
from cluster.timelines.annotations import Annotation, Truth, oddities
from cluster.timelines.labelled_events import LabelledEvents
from schemas.errors import InputError, examples
from schemas.event_evaluations import ClassPrecision, EventEvaluation

AMBIGUOUS = "Ambiguous"

Row = tuple[str, str, float, float]  # video, class, start and end in seconds


class NothingSharedError(InputError):
    """Labels and a truth that have nothing to do with each other."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How events are evaluated. `labels` and `truth` are where they were read, for the result."""

    labels: str
    truth: str
    evaluator: str
    thresholds: tuple[float, ...]
    subset: str | None = None
    annotated_only: bool = False


def evaluate_events(found: LabelledEvents, truth: Truth, settings: EvaluationSettings) -> EventEvaluation:
    """Measure the events; raises `NothingSharedError` where there is nothing to measure."""
    annotated = _of_subset(truth, settings.subset)
    elsewhere = [name for name in found.videos if name in truth.videos and name not in annotated]
    unknown = [name for name in found.videos if name not in truth.videos]
    left_out = {*elsewhere, *(unknown if settings.annotated_only else ())}
    events = [(name, event) for name, its in found.videos.items() if name not in left_out for event in its]
    detected = Counter(event.name for _, event in events)
    rows = [(name, one.label, one.start_seconds, one.end_seconds) for name, its in annotated.items() for one in its]
    ambiguous = AMBIGUOUS if AMBIGUOUS not in detected else None
    doubtful, rows = [row for row in rows if row[1] == ambiguous], [row for row in rows if row[1] != ambiguous]
    positives = Counter(row[1] for row in rows)
    _check_shared(found, annotated, detected, positives)

    counted = [(name, event) for name, event in events if event.name in positives]
    classes = {name: place for place, name in enumerate(sorted(positives))}
    videos = {name: number for number, name in enumerate({**annotated, **found.videos})}
    precisions = EVALUATORS[settings.evaluator](
        _intervals(rows, videos, classes),
        _intervals([(name, one.name, one.start_seconds, one.end_seconds) for name, one in counted], videos, classes),
        np.array([one.score for _, one in counted], np.float64),
        settings.thresholds,
        len(classes),
        _intervals(doubtful, videos, {AMBIGUOUS: -1}),
    )  # (T, K)
    missing = [name for name in annotated if name not in found.videos]
    unknown_events = sum(len(found.videos[name]) for name in unknown)
    unknown_labels = {name: detected[name] for name in sorted(detected.keys() - positives.keys())}
    counts = "are left out" if settings.annotated_only else "count as false without --annotated-only"
    touched = "are ambiguous" if settings.evaluator == "thumos" else "are left out"
    return EventEvaluation(
        evaluator=settings.evaluator,
        labels=redacted_uri(settings.labels),
        date=found.date,
        label_fingerprint=found.fingerprint,
        truth=redacted_uri(settings.truth),
        subset=settings.subset,
        thresholds=settings.thresholds,
        mean_average_precision=tuple(precisions.mean(axis=1).tolist()),
        mean=float(precisions.mean()),
        classes=tuple(
            ClassPrecision(
                name=name,
                positives=positives[name],
                events=detected[name],
                average_precision=tuple(precisions[:, place].tolist()),
                mean=float(precisions[:, place].mean()),
            )
            for name, place in classes.items()
        ),
        videos=len(annotated),
        videos_without_labels=len(missing),
        unknown_videos=len(unknown),
        unknown_events=unknown_events,
        unknown_labels=unknown_labels,
        notes=(
            *oddities(annotated),
            *_note("videos of the truth without labels", missing, "whose intervals are missed"),
            *_note("videos that the truth does not have", unknown, f"whose events ({unknown_events}) {counts}"),
            *_note("videos of other subsets", elsewhere, "which are left out"),
            *_note("classes of events without intervals", list(unknown_labels), "which are left out"),
            *_note("classes without events", [name for name in classes if name not in detected], "which count as 0"),
            *_note(f"intervals labelled {AMBIGUOUS!r}", [row[0] for row in doubtful], f"which {touched}; in"),
            *_note("label shards without timelines", found.without_timelines, "which are left out"),
        ),
    )


def _note(what: str, names: Sequence[str], consequence: str) -> list[str]:
    """What is to be told about some names, if there are any."""
    return [f"{what} ({len(names)}), {consequence}: {examples([*dict.fromkeys(names)])}"] if names else []


def _check_shared(
    found: LabelledEvents,
    annotated: Mapping[str, Sequence[Annotation]],
    detected: Mapping[str, int],
    positives: Mapping[str, int],
) -> None:
    if not positives:
        raise NothingSharedError("the truth has no interval of any class in these videos")
    for kind, labelled, true in (("video", found.videos, annotated), ("class", detected, positives)):
        if labelled and not labelled.keys() & true.keys():
            raise NothingSharedError(
                f"labels and truth have no {kind} in common: the labels have {examples(sorted(labelled))}, "
                f"the truth {examples(sorted(true))}"
            )


def _of_subset(truth: Truth, subset: str | None) -> Mapping[str, Sequence[Annotation]]:
    if subset is None:
        return truth.videos
    known = sorted(set(truth.subsets.values()))
    if subset not in known:
        raise NothingSharedError(f"the truth has no subset {subset!r} (it has {examples(known) or 'none'})")
    return {name: its for name, its in truth.videos.items() if truth.subsets.get(name) == subset}


def _intervals(rows: Iterable[Row], videos: Mapping[str, int], classes: Mapping[str, int]) -> Intervals:
    table = [(videos[video], classes[label], start, end) for video, label, start, end in rows]
    numbers = np.array([row[:2] for row in table], np.int64).reshape(-1, 2)
    times = np.array([row[2:] for row in table], np.float64).reshape(-1, 2)
    return Intervals(*numbers.T, *times.T)
