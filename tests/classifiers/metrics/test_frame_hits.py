from __future__ import annotations

import numpy as np

from classifiers.metrics.frame_hits import FrameHits

# Three videos, two frames, three classes.
LOGITS = np.array([[[1, 0, 0], [0, 2, 0]], [[0, 0, 1], [0, 0, 1]], [[0, 1, 0], [3, 0, 0]]], np.float32)


def test_videos_are_counted_after_each_frame() -> None:
    hits = FrameHits(2)
    hits.update(LOGITS, np.array([1, 2, 0]))
    assert hits.shares() == (1 / 3, 1.0)


def test_one_of_several_labels_is_enough() -> None:
    hits = FrameHits(2)
    hits.update(LOGITS, np.array([[1, 1, 0], [0, 0, 1], [0, 0, 1]]))
    assert hits.shares() == (2 / 3, 2 / 3)


def test_workers_are_merged() -> None:
    merged, targets = FrameHits(2), np.array([1, 2, 0])
    for part in (slice(0, 1), slice(1, 3)):
        hits = FrameHits(2)
        hits.update(LOGITS[part], targets[part])
        merged.merge(hits.state())
    assert (merged.videos, merged.shares()) == (3, (1 / 3, 1.0))
    assert FrameHits(2).shares() == (0.0, 0.0)
