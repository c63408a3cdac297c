import numpy as np
import pytest

from classifiers.metrics.class_metrics import ClassMetrics
from classifiers.metrics.scored_batch import ScoredBatch


def single_label():
    """Classes 0, 1, 2: 4, 3, 1 videos; given 0, 0, 0, 1 | 1, 1, 0 | 1. Nobody has or gets class 3."""
    given = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    metrics = ClassMetrics(4)
    metrics.update(ScoredBatch(np.eye(4)[given], np.array([0, 0, 0, 0, 1, 1, 1, 2])))
    return metrics


def test_counts_equal_those_by_hand():
    metrics = single_label()
    np.testing.assert_allclose(metrics.precision, [3 / 4, 2 / 4, 0, 0])
    np.testing.assert_allclose(metrics.recall, [3 / 4, 2 / 3, 0, 0])
    np.testing.assert_allclose(metrics.f1, [3 / 4, 4 / 7, 0, 0])
    assert metrics.support.tolist() == [4, 3, 1, 0]


def test_averages():
    metrics = single_label()
    assert metrics.macro().precision == pytest.approx((3 / 4 + 2 / 4) / 3)  # class 3 does not occur
    assert metrics.weighted().f1 == pytest.approx((4 * 3 / 4 + 3 * 4 / 7) / 8)
    assert metrics.weighted().recall == metrics.micro().recall == metrics.micro().f1 == 5 / 8
    assert metrics.macro().support == metrics.weighted().support == metrics.micro().support == 8


def test_a_threshold_gives_any_number_of_classes():
    metrics = ClassMetrics(3, threshold=0.5)
    metrics.update(ScoredBatch(np.array([[0.5, 0.9, 0.1], [0.6, 0.2, 0.3]]), np.array([[1, 0, 1], [1, 1, 0]])))
    np.testing.assert_allclose(metrics.precision, [1, 0, 0])
    np.testing.assert_allclose(metrics.recall, [1, 0, 0])
    assert metrics.micro().precision == pytest.approx(2 / 3)
    assert metrics.micro().recall == pytest.approx(2 / 4)


def test_without_a_threshold_the_top_class_is_correct_if_it_is_a_label():
    metrics = ClassMetrics(3)
    metrics.update(ScoredBatch(np.array([[0.2, 0.9, 0.1]]), np.array([[1, 1, 0]])))
    assert metrics.precision.tolist() == [0, 1, 0]
    assert metrics.support.tolist() == [1, 1, 0]


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_merged_states_equal_one_over_all_videos(threshold):
    random = np.random.default_rng(1)
    scores, targets = random.random((90, 6)), random.random((90, 6)) < 0.3
    whole, merged = ClassMetrics(6, threshold=threshold), ClassMetrics(6, threshold=threshold)
    whole.update(ScoredBatch(scores, targets))
    for part in np.split(np.arange(90), [13, 40]):
        worker = ClassMetrics(6, threshold=threshold)
        worker.update(ScoredBatch(scores[part], targets[part]))
        merged.merge(worker.state())
    assert (merged.macro(), merged.weighted(), merged.micro()) == (whole.macro(), whole.weighted(), whole.micro())


def test_without_videos_all_metrics_are_zero():
    assert ClassMetrics(3).macro().f1 == ClassMetrics(3).micro().f1 == 0
