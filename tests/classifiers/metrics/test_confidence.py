import numpy as np

from classifiers.metrics.confidence import ConfidenceTable
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import Confidence

SCORES = np.array([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.4, 0.6, 0.0]])


def test_classes_are_sorted_by_confidence():
    table = ConfidenceTable(3)
    table.update(ScoredBatch(SCORES, np.array([0, 0, 1, 0])))
    first, second = table.rows()
    assert first == Confidence(index=1, support=1, mean=0.8, standard_deviation=0.0)
    assert (second.index, second.support) == (0, 3)
    np.testing.assert_allclose(
        [second.mean, second.standard_deviation], [np.mean([0.5, 0.7, 0.4]), np.std([0.5, 0.7, 0.4])]
    )


def test_a_video_counts_for_each_of_its_classes_and_states_merge():
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    merged = ConfidenceTable(3)
    for part in (slice(0, 1), slice(1, 4)):
        worker = ConfidenceTable(3)
        worker.update(ScoredBatch(SCORES[part], targets[part]))
        merged.merge(worker.state())
    rows = {row.index: row for row in merged.rows()}
    assert rows.keys() == {0, 1}
    np.testing.assert_allclose(rows[0].standard_deviation, np.std([0.5, 0.7, 0.4]))
    np.testing.assert_allclose(rows[1].mean, (0.3 + 0.6) / 2)


def test_without_videos_there_are_no_rows():
    assert ConfidenceTable(3).rows() == ()
