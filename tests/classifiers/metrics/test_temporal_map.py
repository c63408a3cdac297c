"""Tests for classifiers.metrics.temporal_map: a worked example to the digit, and plain loops over random intervals."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from classifiers.metrics.temporal_map import (
    EVALUATORS,
    Intervals,
    activitynet_precisions,
    thumos_precisions,
)


class One(NamedTuple):
    video: int
    place: int
    start: float
    end: float
    score: float = 0.0


def intervals(rows: list[One]) -> Intervals:
    videos, classes, starts, ends, _ = zip(*rows, strict=True) if rows else ((),) * 5
    return Intervals(
        np.array(videos, np.int64),
        np.array(classes, np.int64),
        np.array(starts, np.float64),
        np.array(ends, np.float64),
    )


def precisions(
    name: str, truth: list[One], detections: list[One], thresholds: list[float], ambiguous: list[One] | None = None
) -> NDArray[np.float64]:
    scores = np.array([one.score for one in detections], np.float64)
    doubtful = None if ambiguous is None else intervals(ambiguous)
    return EVALUATORS[name](intervals(truth), intervals(detections), scores, thresholds, 3, doubtful)


# The worked example: one class, three positives in two videos, a detection in a third one.
TRUTH = [One(1, 0, 0, 10), One(1, 0, 20, 30), One(2, 0, 5, 15)]
DETECTIONS = [
    *[One(1, 0, 0.8, 10, 0.95), One(1, 0, 0, 9.4, 0.9), One(2, 0, 0, 10, 0.8)],
    *[One(1, 0, 22, 32, 0.7), One(2, 0, 6, 14.2, 0.6), One(3, 0, 0, 5, 0.5)],
]


def test_the_worked_example_as_activitynet_defines_it() -> None:
    thresholds = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    found = precisions("activitynet", TRUTH, DETECTIONS, thresholds)[:, 0]
    assert [f"{value:.4f}" for value in found] == [*["0.7333"] * 4, *["0.4667"] * 3, "0.3333", "0.3333", "0.0000"]
    assert found.mean() == pytest.approx(0.5, abs=1e-12)
    low = precisions("activitynet", TRUTH, DETECTIONS, [0.3, 0.4, 0.5, 0.6, 0.7])[:, 0]
    assert f"{low[0]:.4f}" == "0.8333"
    assert low.mean() == pytest.approx(0.7, abs=1e-12)


def test_the_worked_example_as_thumos_computes_it() -> None:
    # A takes the second detection, which overlaps more: hits at ranks 2, 4 and 5.
    assert f"{precisions('thumos', TRUTH, DETECTIONS, [0.5])[0, 0]:.4f}" == "0.5333"


def test_classes_without_ground_truth_and_without_detections() -> None:
    truth = [*TRUTH, One(1, 2, 0, 1)]
    for name in EVALUATORS:
        found = precisions(name, truth, [*DETECTIONS, One(1, 1, 0, 10, 1.0)], [0.5])[0]
        assert found[0] == precisions(name, TRUTH, DETECTIONS, [0.5])[0, 0]  # other classes change nothing
        assert np.isnan(found[1])
        assert found[2] == 0
        assert np.isnan(precisions(name, [], DETECTIONS, [0.5, 0.6])).all()
        assert precisions(name, TRUTH, [], [0.5, 0.6])[:, 0].tolist() == [0, 0]


def test_an_overlap_of_the_threshold_is_a_hit_for_one_evaluator_only() -> None:
    truth, detections = [One(1, 0, 0, 10)], [One(1, 0, 0, 5, 0.5)]
    assert precisions("activitynet", truth, detections, [0.5])[0, 0] == 1
    assert precisions("thumos", truth, detections, [0.5])[0, 0] == 0


def test_a_taken_best_one_leaves_the_next() -> None:
    truth = [One(1, 0, 0, 10), One(1, 0, 1, 11)]
    assert precisions("activitynet", truth, [One(1, 0, 0, 10, 0.9), One(1, 0, 0, 10, 0.8)], [0.5])[0, 0] == 1


def test_detections_that_touch_an_ambiguous_interval_do_not_count_for_thumos() -> None:
    truth = [One(1, 0, 0, 10)]
    detections = [One(1, 0, 30, 40, 0.9), One(2, 0, 30, 40, 0.8), One(1, 0, 0, 10, 0.7)]
    doubtful = [One(1, 2, 39, 50), One(1, 2, 10, 11), One(2, 2, 40, 50)]
    assert precisions("thumos", truth, detections, [0.5])[0, 0] == pytest.approx(1 / 3)
    assert precisions("thumos", truth, detections, [0.5], doubtful)[0, 0] == 1 / 2
    assert precisions("activitynet", truth, detections, [0.5], doubtful)[0, 0] == pytest.approx(1 / 3)
    # A hit counts even if it touches one.
    assert precisions("thumos", truth, detections[2:], [0.5], [One(1, 2, 5, 6)])[0, 0] == 1


@pytest.mark.parametrize("broken", [One(1, 0, 5, 5), One(1, 0, 8, 2)])
def test_ground_truth_that_nothing_can_hit_is_a_positive(broken: One) -> None:
    detections = [One(1, 0, 0, 10, 0.9), One(1, 0, 5, 5, 0.8)]
    for name in EVALUATORS:
        assert precisions(name, [broken, One(1, 0, 0, 10)], detections, [0.1])[0, 0] == 1 / 2


def overlap(one: One, other: One) -> float:
    shared = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    union = (one.end - one.start) + (other.end - other.start) - shared
    return shared / union if union > 0 else 0.0


def slow_activitynet(truth: list[One], detections: list[One], place: int, threshold: float) -> float:
    """As `eval_detection.py` goes: locks, a recall curve with sentinels, and the area below it."""
    positives = [one for one in truth if one.place == place]
    ranked = sorted((one for one in detections if one.place == place), key=lambda one: -one.score)
    locked: set[int] = set()
    precision, recall = [0.0], [0.0]
    right = 0
    for count, detection in enumerate(ranked, 1):
        candidates = [k for k, one in enumerate(positives) if one.video == detection.video]
        for k in sorted(candidates, key=lambda k: -overlap(positives[k], detection)):
            if overlap(positives[k], detection) < threshold:
                break
            if k not in locked:
                locked.add(k)
                right += 1
                break
        precision.append(right / count)
        recall.append(right / len(positives))
    precision, recall = [*precision, 0.0], [*recall, 1.0]
    for k in range(len(precision) - 2, -1, -1):
        precision[k] = max(precision[k], precision[k + 1])
    return sum((recall[k] - recall[k - 1]) * precision[k] for k in range(1, len(recall)))


def slow_thumos(truth: list[One], detections: list[One], place: int, threshold: float, doubtful: list[One]) -> float:
    """As `TH14eventdetpr` goes: video by video, then all hits and false ones in one list."""
    outcomes: list[tuple[float, int, bool]] = []  # score, order, hit
    for video in range(4):
        own = [(n, one) for n, one in enumerate(detections) if (one.video, one.place) == (video, place)]
        own.sort(key=lambda pair: -pair[1].score)
        taken: set[int] = set()
        for one in truth:
            if (one.video, one.place) != (video, place):
                continue
            free = [(overlap(one, detection), n) for n, detection in own if n not in taken]
            best = max((value for value, _ in free), default=0.0)
            if best > threshold:
                taken.add(next(n for value, n in free if value == best))
        for n, detection in own:
            is_doubtful = any(each.video == video and overlap(each, detection) > 0 for each in doubtful)
            if n in taken or not is_doubtful:
                outcomes.append((-detection.score, n, n in taken))
    right, total = 0, 0.0
    for count, (_, _, is_hit) in enumerate(sorted(outcomes), 1):
        right += is_hit
        total += is_hit * right / count
    return total / sum(one.place == place for one in truth)


@st.composite
def rows(draw: st.DrawFn) -> list[One]:
    # Few places in time, and few scores: overlaps at the threshold and ties are frequent.
    count = draw(st.integers(0, 12))
    numbers = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9), st.integers(1, 8), st.integers(1, 6))
    return [
        One(video, place, start, start + length, score / 8)
        for video, place, start, length, score in draw(st.lists(numbers, min_size=count, max_size=count))
    ]


THRESHOLDS = [0.1, 0.25, 0.3, 0.5, 0.75, 1.0]


@settings(max_examples=300, deadline=None)
@given(rows(), rows(), rows())
def test_both_evaluators_equal_plain_loops(truth: list[One], detections: list[One], doubtful: list[One]) -> None:
    found = {name: precisions(name, truth, detections, THRESHOLDS, doubtful) for name in EVALUATORS}
    for place in range(3):
        for row, threshold in enumerate(THRESHOLDS):
            values = {name: table[row, place] for name, table in found.items()}
            if not any(one.place == place for one in truth):
                assert np.isnan(list(values.values())).all()
                continue
            assert values["activitynet"] == pytest.approx(slow_activitynet(truth, detections, place, threshold))
            expected = slow_thumos(truth, detections, place, threshold, doubtful)
            assert values["thumos"] == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(rows(), rows(), st.randoms())
def test_only_the_order_of_scores_counts(truth: list[One], detections: list[One], random) -> None:
    distinct = [one._replace(score=(n + 1) / 16) for n, one in enumerate(detections)]
    shuffled = random.sample(distinct, len(distinct))
    squared = [one._replace(score=one.score**2) for one in distinct]
    for name in EVALUATORS:
        expected = precisions(name, truth, distinct, THRESHOLDS)
        np.testing.assert_array_equal(precisions(name, truth, shuffled, THRESHOLDS), expected)
        np.testing.assert_array_equal(precisions(name, truth, squared, THRESHOLDS), expected)


@settings(max_examples=100, deadline=None)
@given(rows(), rows())
def test_the_truth_itself_is_perfect_and_less_sure_mistakes_cost_nothing(truth: list[One], others: list[One]) -> None:
    distinct = list({one[:4]: one for one in truth}.values())
    perfect = [one._replace(score=1.0) for one in distinct]
    worse = [one._replace(score=0.1, video=9) for one in others]
    for name in EVALUATORS:
        found = precisions(name, distinct, perfect, [0.5, 0.99])
        assert (found[~np.isnan(found)] == 1).all()
        np.testing.assert_array_equal(precisions(name, distinct, [*perfect, *worse], [0.5, 0.99]), found)


def test_many_intervals_take_seconds() -> None:
    rng = np.random.default_rng(0)

    def some(count: int) -> Intervals:
        starts = rng.uniform(0, 200, count)
        ends = starts + rng.uniform(1, 20, count)
        return Intervals(rng.integers(0, 2_000, count), rng.integers(0, 20, count), starts, ends)

    truth, detections, scores = some(20_000), some(100_000), rng.uniform(size=100_000)
    begun = time.process_time()
    for evaluate in (activitynet_precisions, thumos_precisions):
        assert evaluate(truth, detections, scores, [0.3, 0.4, 0.5, 0.6, 0.7], 20, truth).shape == (5, 20)
    assert time.process_time() - begun < 30
