import numpy as np
import pytest

from classifiers.metrics.group_accuracy import GroupAccuracy, VideoGroups
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import GroupScore

GROUPS = VideoGroups({f"v{n}": "ann" if n < 4 else "bob" for n in range(9)} | {"v9": "cy"}, {"ann": 7})


def problem():
    random = np.random.default_rng(2)
    return random.random((12, 3)).astype(np.float32), random.integers(0, 3, 12), [f"v{n}" for n in range(12)]


def filled(scores, targets, ids):
    found = GroupAccuracy(GROUPS)
    found.update(ScoredBatch(scores, targets), ids)
    return found


def test_groups_are_counted_by_hand_and_the_worst_comes_first():
    scores, targets, ids = problem()
    right = scores.argmax(axis=1) == targets
    rows = filled(scores, targets, ids).rows()
    assert {row.group: (row.videos, row.correct) for row in rows} == {
        "ann": (4, right[:4].sum()),
        "bob": (5, right[4:9].sum()),
        "cy": (1, right[9]),
    }
    assert {row.group: row.training_videos for row in rows} == {"ann": 7, "bob": 0, "cy": 0}
    assert [row.accuracy for row in rows] == sorted(row.accuracy for row in rows)
    assert rows[0] == GroupScore(group=rows[0].group, videos=rows[0].videos, correct=rows[0].correct, training_videos=0)


def test_merged_workers_equal_one_worker():
    scores, targets, ids = problem()
    merged = GroupAccuracy(GROUPS)
    for part in (slice(0, 5), slice(5, 6), slice(6, 12)):
        merged.merge(filled(scores[part], targets[part], ids[part]).state())
    assert merged.rows() == filled(scores, targets, ids).rows() != ()


def test_one_of_several_labels_is_enough():
    scores = np.array([[0.1, 0.9], [0.9, 0.1]], np.float32)
    (row,) = filled(scores, np.array([[1, 1], [0, 1]]), ["v0", "v1"]).rows()
    assert (row.correct, row.videos) == (1, 2)


@pytest.mark.parametrize("ids", [[], ["x", "y"]])
def test_without_ids_or_groups_there_are_no_rows(ids):
    assert filled(np.eye(2, dtype=np.float32), np.array([0, 1]), ids).rows() == ()
