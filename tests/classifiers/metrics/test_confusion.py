import numpy as np
import pytest

from classifiers.metrics.confusion import ConfusionMatrix
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ConfusedClasses

TRUE = np.array([0, 0, 0, 1, 1, 1, 1, 2])
GIVEN = np.array([0, 1, 1, 1, 2, 2, 0, 0])


def filled(places=slice(None)):
    matrix = ConfusionMatrix(4)
    matrix.update(ScoredBatch(np.eye(4)[GIVEN[places]], TRUE[places]))
    return matrix


def test_rows_are_true_classes():
    assert filled().counts.tolist() == [[1, 2, 0, 0], [1, 1, 2, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(filled().shares[1], [0.25, 0.25, 0.5, 0])
    assert filled().shares[3].tolist() == [0, 0, 0, 0]


def test_pairs_are_sorted_by_count_then_class():
    assert filled().most_confused(3) == (
        ConfusedClasses(true=0, predicted=1, count=2, share=2 / 3),
        ConfusedClasses(true=1, predicted=2, count=2, share=0.5),
        ConfusedClasses(true=1, predicted=0, count=1, share=0.25),
    )
    assert len(filled().most_confused(100)) == 4
    assert ConfusionMatrix(3).most_confused(5) == ()


def test_merged_states_equal_one_over_all_videos():
    merged = filled(slice(0, 3))
    merged.merge(filled(slice(3, None)).state())
    np.testing.assert_array_equal(merged.counts, filled().counts)


def test_many_labels_are_refused():
    with pytest.raises(ValueError, match="one class per video"):
        ConfusionMatrix(4).update(ScoredBatch(np.eye(4), np.eye(4)))
