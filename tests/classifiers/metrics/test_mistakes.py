"""The most confident mistakes, single- and multi-label, for any batches and any distribution to workers."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.metrics.mistakes import Mistake, Mistakes
from classifiers.metrics.scored_batch import ScoredBatch

SCORES = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.05, 0.05, 0.9], [0.2, 0.5, 0.3]])
IDS = ("a", "b", "c", "d")


def rows(targets: np.ndarray, *, limit: int = 100, scores: np.ndarray = SCORES) -> tuple[Mistake, ...]:
    mistakes = Mistakes(limit)
    mistakes.update(ScoredBatch(scores, targets), IDS)
    return mistakes.rows


def test_mistakes_are_sorted_by_the_probability_of_the_predicted_class() -> None:
    found = rows(np.array([0, 0, 1, 2]))
    assert [(row.id, row.true, row.predicted) for row in found] == [("c", 1, 2), ("b", 0, 1), ("d", 2, 1)]
    assert [row.probability for row in found] == [0.9, 0.6, 0.5]
    assert [row.true_probability for row in found] == [0.05, 0.3, 0.3]


def test_correct_predictions_are_not_listed() -> None:
    assert rows(np.array([0, 1, 2, 1])) == ()


def test_a_multi_label_video_is_a_mistake_if_its_top_class_is_not_a_label() -> None:
    targets = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    found = rows(targets)
    assert [(row.id, row.true, row.predicted) for row in found] == [("b", 0, 1), ("d", -1, 1)]
    assert found[1].true_probability == 0.0, "a video without labels"


def test_the_limit_keeps_the_most_confident() -> None:
    assert [row.id for row in rows(np.array([1, 0, 1, 2]), limit=2)] == ["c", "a"]


def test_ties_are_sorted_by_id() -> None:
    mistakes = Mistakes()
    mistakes.update(ScoredBatch(np.array([[0.6, 0.4]] * 4), np.ones(4, int)), IDS[::-1])
    assert [row.id for row in mistakes.rows] == list(IDS)


def test_videos_without_ids_are_ignored() -> None:
    mistakes = Mistakes()
    mistakes.update(ScoredBatch(SCORES, np.array([1, 0, 1, 2])), ())
    assert mistakes.rows == ()


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_result_does_not_depend_on_the_distribution_to_workers(workers: int) -> None:
    random = np.random.default_rng(0)
    scores = random.dirichlet(np.ones(5), 300)
    targets, ids = random.integers(0, 5, 300), tuple(f"v{number:03}" for number in random.permutation(300))
    whole = Mistakes(20)
    whole.update(ScoredBatch(scores, targets), ids)
    merged = Mistakes(20)
    for worker in range(workers):
        part = Mistakes(20)
        for start in range(worker * 10, 300, workers * 10):
            batch = slice(start, start + 10)
            part.update(ScoredBatch(scores[batch], targets[batch]), ids[batch])
        merged.merge(part.state())
    assert merged.rows == whole.rows
    assert len(merged.rows) == 20
