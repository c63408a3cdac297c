"""Sensitive scenes: two classes in place of those of a classifier, and the label that a video gets by its events.

In: the options of `--sensitive`, and the classes of a classifier. Out: which of them count, and from the timeline of a
video whether it is sensitive.

    step    sensitive, with the probability that any of the classes that count has (`classifiers.inference.timelines`),
            or harmless
    event   sensitive steps, by the rules of all events (`--event-threshold` and its neighbours)
    video   sensitive if it has an event, with the score of the strongest one; else harmless, with 1 minus the score of
            its most sensitive step

With `--sensitive`, options that are not given have the values of `sensitive_defaults`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from classifiers.choices import SINGLE_LABEL
from classifiers.inference.base import Classifier
from classifiers.inference.timelines import HARMLESS, SENSITIVE
from classifiers.weights.checkpoint import CheckpointConfig
from cluster.timelines.events import find_events
from schemas.timelines import EventRules, Timeline

LABELS = ("harmless", "sensitive")  # by their places


def counting_places(classifier: Classifier, names: Sequence[str]) -> tuple[int, ...]:
    """The places of the classes that count, in their order; the one class of a multi-label classifier needs no name.

    Raises:
        ValueError: for unknown names, for none where they are needed, and where nothing is left that is harmless.
    """
    config = classifier.config
    known = ", ".join(config.class_names)
    if not names and config.num_classes == 1 and not classifier.is_single_label:
        return (0,)
    if not names:
        raise ValueError(f"give --sensitive-class: which of the classes of {classifier.name} count ({known})")
    unknown = [name for name in names if name not in config.class_names]
    if unknown:
        raise ValueError(f"--sensitive-class names {', '.join(unknown)}; the classes of {classifier.name} are {known}")
    if classifier.is_single_label and set(names) == set(config.class_names):
        raise ValueError(f"--sensitive-class names all classes of {classifier.name}: at least one must be harmless")
    return tuple(place for place, name in enumerate(config.class_names) if name in names)


def label_config(config: CheckpointConfig) -> CheckpointConfig:
    """The configuration of a classifier with the classes of labels in place of its own."""
    return replace(
        config,
        num_classes=len(LABELS),
        class_names=LABELS,
        class_indices=tuple(range(len(LABELS))),
        task=SINGLE_LABEL,
    )


def sensitive_label(timeline: Timeline, rules: EventRules) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The place of the one label of a video, and its score, (1,) each."""
    events = find_events(timeline, rules)
    if events:
        place, score = SENSITIVE, max(event.score for event in events)
    else:
        place, score = HARMLESS, 1 - float(sensitive_scores(timeline).max())
    return np.array([place], np.intp), np.array([min(max(score, 0.0), 1.0)], np.float32)


def sensitive_scores(timeline: Timeline) -> NDArray[np.float64]:
    """(n,) the probability of each step of being sensitive."""
    first = timeline.scores[:, 0].astype(np.float64)  # (n,) of the higher one of the two
    found: NDArray[np.float64] = np.where(timeline.places[:, 0] == SENSITIVE, first, 1 - first)
    return found
