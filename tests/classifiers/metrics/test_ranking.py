"""hit@1, PERR, GAP and mAP beside the numbers of YouTube-8M's public evaluator, and what is ours about them."""

import json

import numpy as np
import pytest

from classifiers.metrics.ranking import RankingMetrics
from classifiers.metrics.scored_batch import ScoredBatch
from tests.support import parity

CASES = json.loads((parity.FOLDER / "yt8m_metrics.json").read_text())
TOLERANCE = parity.MANIFEST["yt8m_metrics"]["tolerance"]["abs_float64"]


def problem(name):
    predictions, labels = parity.weights.metrics_problem(**CASES[name]["args"])
    assert labels.sum() == CASES[name]["check"]["labels_sum"]
    assert len(np.unique(predictions)) == CASES[name]["check"]["distinct_predictions"]
    return predictions, labels


def measured(predictions, labels, batch_size, **options):
    metrics = RankingMetrics(predictions.shape[1], **options)
    for start in range(0, len(labels), batch_size):
        stop = start + batch_size
        metrics.update(ScoredBatch(predictions[start:stop], labels[start:stop]))
    return metrics


def expected_scores(name, kind):
    """What the evaluator gave, by the name that we have for it: for all videos at once, or in batches."""
    numbers = CASES[name][kind]
    whole = {"hit_at_one": numbers["hit_at_one"], "perr": numbers["perr"], "gap": numbers["gap_at_20"]}
    in_batches = {
        "hit_at_one": numbers["batches_hit_at_one"],
        "perr": numbers["batches_perr"],
        "gap": numbers["batches_gap_at_20"],
        "mean_average_precision": numbers["batches_map_top20_per_video"],
    }
    return {10**6: whole, 128: in_batches}


@pytest.mark.parametrize("name", ["dense200x50", "sparse1000x3862"])
@pytest.mark.parametrize("batch_size", [128, 10**6])
def test_the_public_evaluators_numbers(name, batch_size):
    predictions, labels = problem(name)
    metrics = measured(predictions, labels, batch_size)
    scores = metrics.scores()
    for metric, value in expected_scores(name, "expected")[batch_size].items():
        assert getattr(scores, metric) == pytest.approx(value, rel=0, abs=TOLERANCE), metric
    assert scores.num_videos == len(labels)
    by_class = metrics.average_precision_by_class()
    assert (~np.isnan(by_class)).sum() == CASES[name]["expected"]["num_classes_with_positives"]
    np.testing.assert_array_equal(np.isnan(by_class), labels.sum(axis=0) == 0)


@pytest.mark.parametrize("name", ["dense200x50", "sparse1000x3862"])
def test_other_numbers_of_predictions_a_video(name):
    predictions, labels = problem(name)
    gap_at_5 = measured(predictions, labels, 128, top_k=5).scores().gap
    assert gap_at_5 == pytest.approx(CASES[name]["expected"]["gap_at_5"], rel=0, abs=TOLERANCE)
    of_all = measured(predictions, labels, 128, top_k=predictions.shape[1]).scores()
    for found, expected in (
        (of_all.mean_average_precision, "map_all_predictions"),
        (of_all.mean_average_precision_at_10, "map_at_10_all_predictions"),
    ):
        assert found == pytest.approx(CASES[name]["expected"][expected], rel=0, abs=TOLERANCE)


@pytest.mark.parametrize("batch_size", [128, 10**6])
def test_ties_give_a_value_between_the_best_and_worst_order(batch_size):
    predictions, labels = problem("ties300x40")
    scores = measured(predictions, labels, batch_size).scores()
    assert scores.hit_at_one == pytest.approx(CASES["ties300x40"]["expected"]["hit_at_one"], rel=0, abs=TOLERANCE)
    for metric, (low, high) in expected_scores("ties300x40", "bounds")[batch_size].items():
        assert low <= getattr(scores, metric) <= high, metric
    of_all = measured(predictions, labels, batch_size, top_k=predictions.shape[1]).scores()
    low, high = CASES["ties300x40"]["bounds"]["map_at_10_all_predictions"]
    assert low <= of_all.mean_average_precision_at_10 <= high


def test_results_do_not_depend_on_the_distribution_to_workers():
    predictions, labels = problem("ties300x40")
    labels[::9] = 0
    whole = measured(predictions, labels, 10**6).scores()
    order = np.random.default_rng(0).permutation(len(labels))
    merged = RankingMetrics(predictions.shape[1])
    for part in np.split(order, [0, 11, 200]):  # the first worker had nothing
        state = measured(predictions[part], labels[part], 7).state()
        assert all(isinstance(value, np.ndarray) for value in state.values())
        merged.merge(state)
    assert merged.scores() == whole
    merged.update(ScoredBatch(predictions[:5], labels[:5]))  # one can go on
    assert merged.scores().num_videos == len(labels) + 5


def test_a_state_does_not_change_with_later_batches():
    predictions, labels = problem("dense200x50")
    metrics = measured(predictions[:100], labels[:100], 50)
    state = metrics.state()
    before = {name: value.copy() for name, value in state.items()}
    metrics.update(ScoredBatch(predictions[100:], labels[100:]))
    metrics.scores()
    for name, value in before.items():
        np.testing.assert_array_equal(state[name], value)


def test_single_label_targets_equal_one_hot_targets():
    random = np.random.default_rng(4)
    predictions = random.random((300, 33))
    targets = random.integers(0, 33, 300)
    scores = measured(predictions, targets, 64).scores()
    assert scores == measured(predictions, np.eye(33)[targets], 64).scores()
    ranks = (predictions > predictions[np.arange(300), targets, None]).sum(axis=1)
    assert scores.top_1_accuracy == scores.hit_at_one == scores.perr == np.mean(ranks < 1)
    assert scores.top_5_accuracy == np.mean(ranks < 5)


def test_more_labels_than_kept_predictions():
    random = np.random.default_rng(5)
    predictions = random.random((40, 60)).astype(np.float32)
    labels = random.random((40, 60)) < np.linspace(0, 1, 40)[:, None]
    of_videos = [
        row_labels[np.argsort(-row)[: row_labels.sum()]].mean() if row_labels.any() else 0
        for row, row_labels in zip(predictions, labels, strict=True)
    ]
    assert measured(predictions, labels, 16).scores().perr == pytest.approx(np.mean(of_videos), abs=1e-12)


def test_perr_counts_missing_predictions_as_zero():
    scores = measured(np.array([[0.9, 0.0, 0.0]]), np.array([[1, 1, 0]]), 1).scores()
    assert scores.perr == 0.5


@pytest.mark.parametrize("num_classes", [1, 2, 4])
def test_fewer_classes_than_five(num_classes):
    targets = np.arange(num_classes)
    scores = measured(np.eye(num_classes, dtype=np.float32)[::-1], targets, 2).scores()
    assert scores.top_5_accuracy == 1
    assert scores.hit_at_one == (num_classes == 1)


def test_without_labels_all_metrics_are_zero():
    scores = measured(np.full((3, 4), 0.5), np.zeros((3, 4)), 2).scores()
    assert (scores.hit_at_one, scores.perr, scores.gap) == (0, 0, 0)
    assert (scores.mean_average_precision, scores.mean_average_precision_at_10) == (0, 0)


def test_no_videos_have_no_metrics():
    with pytest.raises(ValueError, match="the split is empty"):
        RankingMetrics(5).scores()


def test_memory_per_video_is_as_documented():
    predictions, labels = problem("sparse1000x3862")
    state = measured(predictions, labels, 100).state()
    assert sum(state[name].nbytes for name in ("classes", "scores", "are_correct")) == 140 * len(labels)
