"""The result of an evaluation of events against annotated intervals, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ClassPrecision:
    """Average precision of a class at each threshold, and their mean; the numbers of its intervals and its events."""

    name: str
    positives: int
    events: int
    average_precision: tuple[float, ...]
    mean: float


@dataclass(frozen=True, kw_only=True)
class EventEvaluation:
    """Events of the labels of a day against a truth file. Places come without secrets.

    label_fingerprint       of the labels: the model, and how events follow from its scores
    subset                  of the truth; None for all of it
    thresholds              of temporal intersection over union
    mean_average_precision  over the classes, at each threshold; `mean` is theirs
    classes                 those of the truth, in order of their names
    videos                  of the truth, `videos_without_labels` of which have no labels: their intervals are missed
    unknown_videos          with labels, that the truth does not have; `unknown_events` are theirs, all false unless
                            they were left out
    unknown_labels          classes of events that the truth does not have, with the number of their events, which are
                            left out
    notes                   all of this, and what else is odd, for a person
    """

    schema_version: int = SCHEMA_VERSION
    evaluator: str
    labels: str
    date: str
    label_fingerprint: Mapping[str, str]
    truth: str
    subset: str | None
    thresholds: tuple[float, ...]
    mean_average_precision: tuple[float, ...]
    mean: float
    classes: tuple[ClassPrecision, ...]
    videos: int
    videos_without_labels: int
    unknown_videos: int
    unknown_events: int
    unknown_labels: Mapping[str, int]
    notes: tuple[str, ...]
