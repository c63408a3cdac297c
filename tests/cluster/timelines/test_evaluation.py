"""Tests for cluster.timelines.evaluation: what labels and truth share, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.timelines.annotations import Annotation, Truth
from cluster.timelines.evaluation import EvaluationSettings, NothingSharedError, evaluate_events
from cluster.timelines.labelled_events import LabelledEvents
from schemas.event_evaluations import EventEvaluation
from schemas.timelines import NamedEvent

SETTINGS = EvaluationSettings(
    labels="gs://user:secret@labels", truth="truth.json", evaluator="activitynet", thresholds=(0.3, 0.5)
)


def events(**videos: list[tuple[float, float, str, float]]) -> LabelledEvents:
    found = {name: tuple(NamedEvent(*event) for event in its) for name, its in videos.items()}
    return LabelledEvents("2026-03-01", {"models": "m"}, found)


def truth(subsets: dict[str, str] | None = None, **videos: list[tuple[str, float, float]]) -> Truth:
    return Truth({name: [Annotation(*one) for one in its] for name, its in videos.items()}, subsets or {})


def evaluated(found: LabelledEvents, true: Truth, **changes: Any) -> EventEvaluation:
    return evaluate_events(found, true, replace(SETTINGS, **changes))


def test_the_worked_example() -> None:
    true = truth(v1=[("x", 0, 10), ("x", 20, 30)], v2=[("x", 5, 15)])
    found = events(
        v1=[(0, 9.4, "x", 0.9), (0.8, 10, "x", 0.95), (22, 32, "x", 0.7)],
        v2=[(0, 10, "x", 0.8), (6, 14.2, "x", 0.6)],
        v3=[(0, 5, "x", 0.5)],
    )
    result = evaluated(found, true, thresholds=(0.3, 0.4, 0.5, 0.6, 0.7))
    assert [f"{value:.4f}" for value in result.mean_average_precision] == [
        *["0.8333", "0.7333", "0.7333", "0.7333", "0.4667"]
    ]
    assert result.mean == pytest.approx(0.7)
    (one,) = result.classes
    assert (one.name, one.positives, one.events, one.mean) == ("x", 3, 6, pytest.approx(0.7))
    assert one.average_precision == result.mean_average_precision
    assert (result.videos, result.videos_without_labels, result.unknown_videos, result.unknown_events) == (2, 0, 1, 1)
    assert result.notes == (
        "videos that the truth does not have (1), whose events (1) count as false without --annotated-only: 'v3'",
    )
    assert f"{evaluated(found, true, evaluator='thumos').mean_average_precision[1]:.4f}" == "0.5333"
    assert result.labels == "gs://***@labels"


def test_what_the_two_sides_do_not_share_is_told() -> None:
    true = truth(a=[("x", 0, 1), ("x", 5, 5)], b=[("x", 0, 1), ("y", 0, 1)], c=[])
    found = replace(events(a=[(0, 1, "x", 0.9), (0, 1, "z", 0.9)], d=[(0, 1, "z", 1.0)]), without_timelines=("part",))
    result = evaluated(found, true)
    assert [(one.name, one.mean) for one in result.classes] == [("x", pytest.approx(1 / 3)), ("y", 0)]
    assert result.mean == pytest.approx(1 / 6)
    assert result.unknown_labels == {"z": 2}
    assert result.notes == (
        "intervals without length (1), which count as missed; in: 'a'",
        "videos of the truth without labels (2), whose intervals are missed: 'b', 'c'",
        "videos that the truth does not have (1), whose events (1) count as false without --annotated-only: 'd'",
        "classes of events without intervals (1), which are left out: 'z'",
        "classes without events (1), which count as 0: 'y'",
        "label shards without timelines (1), which are left out: 'part'",
    )


def test_events_in_videos_that_the_truth_does_not_have_are_false_unless_left_out() -> None:
    true, found = truth(a=[("x", 0, 1)]), events(a=[(0, 1, "x", 0.5)], b=[(0, 1, "x", 0.9)])
    assert evaluated(found, true).mean == 0.5
    result = evaluated(found, true, annotated_only=True)
    assert (result.mean, result.unknown_videos) == (1, 1)
    assert result.notes == ("videos that the truth does not have (1), whose events (1) are left out: 'b'",)


def test_a_subset() -> None:
    true = truth({"a": "training", "b": "validation"}, a=[("x", 0, 1)], b=[("x", 0, 1)])
    found = events(a=[(5, 6, "x", 0.9)], b=[(0, 1, "x", 0.5)])
    assert evaluated(found, true).mean == 0.25
    result = evaluated(found, true, subset="validation")
    assert (result.mean, result.subset, result.videos, result.unknown_videos) == (1, "validation", 1, 0)
    assert result.notes == ("videos of other subsets (1), which are left out: 'a'",)
    with pytest.raises(NothingSharedError, match=r"no subset 'test' \(it has 'training', 'validation'\)"):
        evaluated(found, true, subset="test")


def test_the_label_ambiguous_of_thumos() -> None:
    true = truth(a=[("x", 0, 10), ("Ambiguous", 20, 30)])
    found = events(a=[(20, 25, "x", 0.9), (0, 10, "x", 0.5)])
    for evaluator, mean, what in (("activitynet", 0.5, "are left out"), ("thumos", 1.0, "are ambiguous")):
        result = evaluated(found, true, evaluator=evaluator)
        assert (result.mean, [one.name for one in result.classes]) == (mean, ["x"])
        assert result.notes == (f"intervals labelled 'Ambiguous' (1), which {what}; in: 'a'",)
    # A class of that name is one like any other.
    found = events(a=[(20, 30, "Ambiguous", 0.9), (0, 10, "x", 0.5)])
    assert [one.mean for one in evaluated(found, true).classes] == [1, 1]


def test_labels_and_truth_without_anything_in_common_are_refused() -> None:
    found = events(a=[(0, 1, "x", 0.5)])
    for true, told in (
        (truth(v_a=[("x", 0, 1)]), "no video in common: the labels have 'a', the truth 'v_a'"),
        (truth(a=[("y", 0, 1)]), "no class in common: the labels have 'x', the truth 'y'"),
        (truth(a=[]), "no interval of any class"),
    ):
        with pytest.raises(NothingSharedError, match=told):
            evaluated(found, true)
    # Without any events, all intervals are missed.
    assert evaluated(events(a=[]), truth(a=[("y", 0, 1)])).mean == 0
