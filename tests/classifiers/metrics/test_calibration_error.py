import numpy as np
import pytest

from classifiers.metrics.calibration_error import CalibrationError
from classifiers.metrics.scored_batch import ScoredBatch
from schemas.evaluations import ReliabilityBin


def test_single_label_bins_the_top_class():
    error = CalibrationError()
    error.update(ScoredBatch(np.array([[0.9, 0.1], [0.92, 0.08], [0.3, 0.7]]), np.array([0, 1, 1])))
    # 0.9 and 0.92 share a bin (0.867, 0.933]: 0.91 on average, half of them right; 0.7 is alone, and right.
    assert error.expected == pytest.approx((2 * 0.41 + 0.3) / 3)
    alone, shared = error.bins()
    assert (alone.low, alone.high, alone.count, alone.accuracy) == (10 / 15, 11 / 15, 1, 1.0)
    assert (shared.count, shared.accuracy) == (2, 0.5)
    assert shared.confidence == pytest.approx(0.91)


def test_multi_label_bins_every_class():
    error = CalibrationError()
    error.update(ScoredBatch(np.array([[0.5, 1.0, 0.0]]), np.array([[1, 1, 0]])))
    assert error.expected == pytest.approx(0.5 / 3)
    assert error.bins()[0] == ReliabilityBin(low=0.0, high=1 / 15, count=1, confidence=0.0, accuracy=0.0)
    assert error.bins()[-1] == ReliabilityBin(low=14 / 15, high=1.0, count=1, confidence=1.0, accuracy=1.0)


def test_calibrated_probabilities_have_no_error():
    random = np.random.default_rng(0)
    chance = random.random((100_000, 1))
    error = CalibrationError()
    error.update(ScoredBatch(chance, random.random((100_000, 1)) < chance))
    assert error.expected < 0.01


def test_merged_states_equal_one_over_all_videos():
    random = np.random.default_rng(1)
    scores, targets = random.random((60, 4)), random.random((60, 4)) < 0.5
    whole, merged = CalibrationError(), CalibrationError()
    whole.update(ScoredBatch(scores, targets))
    for part in np.split(np.arange(60), [0, 17]):
        worker = CalibrationError()
        worker.update(ScoredBatch(scores[part], targets[part]))
        merged.merge(worker.state())
    assert merged.expected == pytest.approx(whole.expected, abs=1e-15)


def test_logits_are_refused():
    with pytest.raises(ValueError, match="are not probabilities"):
        CalibrationError().update(ScoredBatch(np.array([[3.0, -1.0]]), np.array([0])))


def test_without_videos_there_is_no_error():
    assert CalibrationError().expected == 0
    assert CalibrationError().bins() == ()
