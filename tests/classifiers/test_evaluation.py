import pickle

import numpy as np
import pytest

from classifiers.evaluation import Evaluation


def problem(task, videos=200, classes=6):
    random = np.random.default_rng(0)
    scores = random.random((videos, classes)).astype(np.float32)
    scores /= scores.sum(axis=1, keepdims=True)
    single = random.integers(0, classes, videos)
    return scores, single if task == "single-label" else random.random((videos, classes)) < 0.3


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_workers_together_are_one_that_saw_all(task):
    scores, targets = problem(task)
    whole, merged = Evaluation(6, task=task, threshold=0.2), Evaluation(6, task=task, threshold=0.2)
    whole.update(scores, targets)
    for part in np.array_split(np.random.default_rng(1).permutation(200), 3):
        worker = Evaluation(6, task=task, threshold=0.2)
        for batch in np.array_split(part, 4):
            worker.update(scores[batch], targets[batch])
        merged.merge(pickle.loads(pickle.dumps(worker.state())))
    assert merged.ranking.scores() == whole.ranking.scores()
    assert merged.classes.macro() == whole.classes.macro()
    assert merged.classes.micro().support == whole.classes.micro().support > 0
    assert merged.calibration_error.expected == pytest.approx(whole.calibration_error.expected)
    np.testing.assert_allclose(merged.correlation.traded(), whole.correlation.traded(), atol=1e-12)
    for one, other in zip(merged.confidence.rows(), whole.confidence.rows(), strict=True):
        assert vars(one) == pytest.approx(vars(other), rel=1e-9)
    if task == "single-label":
        np.testing.assert_array_equal(merged.confusion.counts, whole.confusion.counts)
    else:
        assert merged.confusion is None


def test_correlations_of_the_first_classes_or_of_those_asked_for():
    assert Evaluation(3862, task="multi-label").correlation.classes == tuple(range(50))
    assert Evaluation(3862, task="multi-label", followed=[3, 3861]).correlation.classes == (3, 3861)


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task is 'any', allowed: single-label, multi-label"):
        Evaluation(3, task="any")
