import numpy as np
import pytest
import torch

from classifiers.metrics.calibration import calibrate
from classifiers.metrics.evaluation import Evaluation
from classifiers.metrics.group_accuracy import VideoGroups
from cluster.training.results import finite, split_result, temperature_fit
from schemas.evaluations import MAX_GROUPS, MAX_MATRIX_CLASSES


def scored(classes, videos=400, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, videos)
    logits = rng.standard_normal((videos, classes)).astype(np.float32)
    logits[np.arange(videos), targets] += 1.5
    return torch.from_numpy(logits), torch.from_numpy(targets)


def evaluated(task, logits, targets):
    evaluation = Evaluation(task, logits.shape[1], is_full=True)
    evaluation.update(logits, targets, [f"v{number}" for number in range(len(logits))])
    return evaluation


def test_rows_say_what_the_evaluation_says():
    logits, targets = scored(4)
    result = split_result("test", evaluated("single-label", logits, targets), 1.5)
    right = (logits.argmax(dim=1) == targets).sum().item()
    assert result.videos == 400
    assert result.summary["hit_at_one"] == right / 400
    assert sum(result.confusion[i][i] for i in range(4)) == right
    assert sum(map(sum, result.confusion)) == 400
    assert [row.support for row in result.classes] == torch.bincount(targets).tolist()
    assert result.averages["micro"].f1 == pytest.approx(right / 400)
    assert sum(pair.count for pair in result.confused) == 400 - right
    assert sum(found.count for found in result.reliability) == 400
    assert len(result.traded) == len(result.followed) == 4
    assert all(mistake.true != mistake.predicted and mistake.id.startswith("v") for mistake in result.mistakes)


def test_groups_are_listed_with_those_that_training_knows():
    logits, targets = scored(4)
    groups = VideoGroups({f"v{number}": f"g{number % 300}" for number in range(400)}, {"g0": 5, "g399": 1})
    evaluation = Evaluation("single-label", 4, is_full=True, groups=groups)
    evaluation.update(logits, targets, [f"v{number}" for number in range(400)])
    result = split_result("test", evaluation, 0.0)
    assert (len(result.groups), result.group_count, result.known_groups) == (MAX_GROUPS, 300, 1)
    assert result.groups[0].accuracy == 0.0


def test_many_classes_have_pairs_and_no_matrix():
    logits, targets = scored(MAX_MATRIX_CLASSES + 1)
    result = split_result("test", evaluated("single-label", logits, targets), 0.0)
    assert result.confusion == ()
    assert result.confused


def test_several_labels_have_no_confusion():
    logits, targets = scored(5)
    many = torch.nn.functional.one_hot(targets, 5).float()
    result = split_result("validation", evaluated("multi-label", logits, many), 0.0)
    assert result.confusion == result.confused == ()
    assert len(result.classes) == 5


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_the_temperature_and_what_it_changes(task):
    logits, targets = (tensor.numpy() for tensor in scored(4, videos=10_000))
    if task == "multi-label":
        drawn = np.random.default_rng(1).random(logits.shape)
        targets = (drawn < 1 / (1 + np.exp(-logits))).astype(np.float32)
    sure = 5 * logits  # five times too sure
    fit = temperature_fit(sure, targets, task)
    assert fit.temperature == calibrate(sure, targets).temperature > 2
    assert fit.error_after < fit.error_before / 2
    assert fit.videos == 10_000
    for bins, error in ((fit.reliability_before, fit.error_before), (fit.reliability_after, fit.error_after)):
        count = sum(found.count for found in bins)
        assert count == (10_000 if task == "single-label" else 40_000)
        shown = sum(found.count * abs(found.confidence - found.accuracy) for found in bins) / count
        assert shown == pytest.approx(error, abs=1e-6)


def test_what_json_has_no_word_for():
    assert [finite(value) for value in (1.5, float("nan"), float("inf"))] == [1.5, None, None]
