"""Our streaming metrics, fed in batches, give what scikit-learn computes from all scores at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn import metrics

from classifiers.metrics.class_metrics import ClassMetrics
from classifiers.metrics.confusion import ConfusionMatrix
from classifiers.metrics.ranking import RankingMetrics
from classifiers.metrics.scored_batch import ScoredBatch

VIDEOS, CLASSES = 300, 7
RNG = np.random.default_rng(0)
EVIDENCE = RNG.standard_normal((VIDEOS, CLASSES))
ONE_EACH = np.exp(EVIDENCE) / np.exp(EVIDENCE).sum(axis=1, keepdims=True)
ONE = (EVIDENCE + 2 * RNG.standard_normal(EVIDENCE.shape)).argmax(axis=1)
MANY_EACH = 1 / (1 + np.exp(-EVIDENCE))
MANY = (EVIDENCE + RNG.standard_normal(EVIDENCE.shape) > 0.8).astype(np.int64)


def batches(scores: np.ndarray, targets: np.ndarray) -> Iterator[ScoredBatch]:
    return (ScoredBatch(scores[start : start + 64], targets[start : start + 64]) for start in range(0, VIDEOS, 64))


def test_confusions_are_scikit_learns() -> None:
    matrix = ConfusionMatrix(CLASSES)
    for batch in batches(ONE_EACH, ONE):
        matrix.update(batch)
    np.testing.assert_array_equal(matrix.counts, metrics.confusion_matrix(ONE, ONE_EACH.argmax(axis=1)))


@pytest.mark.parametrize("task", ["one class each", "any number each"])
def test_precision_recall_and_f1_are_scikit_learns(task: str) -> None:
    is_one = task == "one class each"
    found = ClassMetrics(CLASSES, threshold=None if is_one else 0.5)
    for batch in batches(ONE_EACH, ONE) if is_one else batches(MANY_EACH, MANY):
        found.update(batch)
    truth, given = (ONE, ONE_EACH.argmax(axis=1)) if is_one else (MANY, (MANY_EACH >= 0.5).astype(int))
    expected = metrics.precision_recall_fscore_support(truth, given, zero_division=0)
    for ours, theirs in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for name, average in (("macro", found.macro()), ("weighted", found.weighted()), ("micro", found.micro())):
        expected = metrics.precision_recall_fscore_support(truth, given, average=name, zero_division=0)[:3]
        np.testing.assert_allclose((average.precision, average.recall, average.f1), expected, rtol=1e-12, err_msg=name)


def test_average_precisions_are_scikit_learns() -> None:
    found = RankingMetrics(CLASSES)  # of which all are among the 20 best
    for batch in batches(MANY_EACH, MANY):
        found.update(batch)
    expected = [metrics.average_precision_score(MANY[:, place], MANY_EACH[:, place]) for place in range(CLASSES)]
    np.testing.assert_allclose(found.average_precision_by_class(), expected, rtol=1e-12)
    assert found.scores().mean_average_precision == pytest.approx(np.mean(expected))
    assert found.scores().gap == pytest.approx(metrics.average_precision_score(MANY, MANY_EACH, average="micro"))


def test_top_accuracies_are_scikit_learns() -> None:
    found = RankingMetrics(CLASSES)
    for batch in batches(ONE_EACH, ONE):
        found.update(batch)
    for ours, top in ((found.scores().top_1_accuracy, 1), (found.scores().top_5_accuracy, 5)):
        assert ours == pytest.approx(metrics.top_k_accuracy_score(ONE, ONE_EACH, k=top))
