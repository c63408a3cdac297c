import numpy as np
import pytest
import torch

from classifiers.metrics.scored_batch import ScoredBatch

SCORES = np.array([[0.1, 0.7, 0.2], [0.4, 0.4, 0.2]], np.float32)


def test_single_label_targets():
    batch = ScoredBatch(SCORES, np.array([2, 0]))
    assert (len(batch), batch.num_classes, batch.is_single_label) == (2, 3, True)
    assert batch.top_class.tolist() == [1, 0]  # the first of the two that are equal
    assert [column.tolist() for column in batch.labels] == [[0, 1], [2, 0]]
    assert batch.labels_per_video.tolist() == [1, 1]
    assert batch.support.tolist() == [1, 0, 1]
    assert batch.are_correct(np.array([[1, 2], [2, 1]])).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
def test_multi_label_targets(kind):
    batch = ScoredBatch(SCORES, np.array([[1, 0, 1], [0, 0, 0]], kind))
    assert not batch.is_single_label
    assert [column.tolist() for column in batch.labels] == [[0, 0], [0, 2]]
    assert batch.labels_per_video.tolist() == [2, 0]
    assert batch.support.tolist() == [1, 0, 1]
    assert batch.are_correct(np.array([[1, 2], [2, 1]])).tolist() == [[False, True], [False, False]]


def test_tensors_are_not_copied():
    scores = torch.from_numpy(SCORES.copy())
    batch = ScoredBatch(scores, torch.tensor([2, 0]))
    assert batch.scores.dtype == np.float32
    assert np.shares_memory(batch.scores, scores.numpy())


def test_scores_that_are_not_finite_are_refused_with_their_index():
    with pytest.raises(ValueError, match="video 1 for class 2 is nan"):
        ScoredBatch(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, np.nan]]), np.array([0, 0]))


@pytest.mark.parametrize("scores", [np.zeros((2, 3), int), np.zeros(3), np.zeros((1, 2, 3))])
def test_scores_of_another_shape_or_type_are_refused(scores):
    with pytest.raises(ValueError, match=r"expected floats of shape \(N, K\)"):
        ScoredBatch(scores, np.array([0, 0]))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([0, 3]), "target 3 is not a class: the classes are 0 to 2"),
        (np.array([-1, 0]), "target -1 is not a class"),
        (np.array([0.0, 1.0]), r"expected integers of shape \(2,\) or 0 and 1 of shape \(2, 3\)"),
        (np.array([0, 1, 2]), r"int64 \(3,\)"),
        (np.full((2, 3), 0.5), "targets contain 0.5"),
        (np.full((2, 3), np.nan), "targets contain nan"),
        (np.array([["a"] * 3] * 2), "expected integers"),
    ],
)
def test_invalid_targets_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        ScoredBatch(SCORES, targets)
