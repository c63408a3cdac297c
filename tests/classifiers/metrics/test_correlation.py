import numpy as np
import pytest

from classifiers.metrics.correlation import MIN_VIDEOS, ProbabilityCorrelation
from classifiers.metrics.scored_batch import ScoredBatch


def problem(seed=0, videos=600, classes=5):
    """Softmax probabilities; videos of class 0 trade with class 3."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, videos)
    logits = 2.0 * np.eye(classes)[targets] + 0.3 * random.standard_normal((videos, classes))
    doubt = 3 * random.standard_normal(videos) * (targets == 0)
    logits[:, 0] += doubt
    logits[:, 3] -= doubt
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), targets


def filled(scores, targets, classes, batch_size=32):
    found = ProbabilityCorrelation(classes)
    for start in range(0, len(scores), batch_size):
        found.update(ScoredBatch(scores[start : start + batch_size], targets[start : start + batch_size]))
    return found


def test_correlations_are_pearsons_within_each_class():
    scores, targets = problem()
    found = filled(scores, targets, range(5))
    for true in range(5):
        expected = np.corrcoef(scores[targets == true].astype(np.float64).T)
        np.testing.assert_allclose(found.within(true), expected, atol=1e-10)
        np.testing.assert_allclose(found.matrix()[true], expected[true], atol=1e-10)
    first = found.most_negative(1)[0]
    assert (first.true, first.other) == (0, 3)
    assert first.correlation < -0.9
    assert [pair.correlation for pair in found.most_negative(9)] == sorted(
        p.correlation for p in found.most_negative(9)
    )


def test_correlations_of_selected_classes_in_a_given_order():
    scores, targets = problem(classes=9)
    found = filled(scores, targets, [7, 0, 3])
    for true in (7, 0, 3):
        expected = np.corrcoef(scores[targets == true][:, [7, 0, 3]].astype(np.float64).T)
        np.testing.assert_allclose(found.within(true), expected, atol=1e-10)
    assert {found.most_negative(1)[0].true, found.most_negative(1)[0].other} == {0, 3}
    with pytest.raises(ValueError, match="tuple"):
        found.within(1)


def test_merged_states_equal_one_over_all_videos():
    scores, targets = problem()
    merged = ProbabilityCorrelation(range(5))
    for part in np.split(np.random.default_rng(3).permutation(600), [0, 100, 101]):
        merged.merge(filled(scores[part], targets[part], range(5)).state())
    np.testing.assert_allclose(merged.matrix(), filled(scores, targets, range(5)).matrix(), atol=1e-10)


def test_a_video_counts_for_each_of_its_classes():
    scores, targets = problem()
    both = np.eye(5, dtype=bool)[targets]
    both[:, 4] |= targets == 0
    found = filled(scores, both, range(5))
    expected = np.corrcoef(scores[both[:, 4]].astype(np.float64).T)
    np.testing.assert_allclose(found.within(4), expected, atol=1e-10)


def test_constant_probabilities_have_no_correlation():
    scores, targets = problem()
    scores[:, 2] = 0.1
    found = filled(scores, targets, range(5))
    assert np.isnan(found.within(0)[2]).all()
    assert np.isnan(found.within(0)[:, 2]).all()
    assert not np.isnan(np.delete(np.delete(found.within(0), 2, 0), 2, 1)).any()
    assert all(2 not in (pair.true, pair.other) for pair in found.most_negative(100))
    assert np.isnan(ProbabilityCorrelation([0, 1]).matrix()).all()


@pytest.mark.parametrize("videos", [1, 2, MIN_VIDEOS - 1])
def test_few_videos_have_no_correlation(videos):
    scores, targets = problem()
    rare = np.flatnonzero(targets == 1)[videos:]
    scores, targets = np.delete(scores, rare, 0), np.delete(targets, rare)
    found = filled(scores, targets, range(5))
    assert np.isnan(found.within(1)).all()
    assert np.isnan(found.matrix()[1]).all()
    assert not np.isnan(np.delete(found.matrix(), 1, 0)).any()
    assert all(pair.true != 1 for pair in found.most_negative(100))


def test_the_minimum_number_of_videos_has_a_correlation():
    scores, targets = problem()
    rare = np.flatnonzero(targets == 1)[MIN_VIDEOS:]
    scores, targets = np.delete(scores, rare, 0), np.delete(targets, rare)
    expected = np.corrcoef(scores[targets == 1].astype(np.float64).T)
    np.testing.assert_allclose(filled(scores, targets, range(5)).within(1), expected, atol=1e-10)


@pytest.mark.parametrize("value", [1 / 5, 0.3, 1.0, 1e-30])
def test_probabilities_that_differ_by_their_rounding_have_no_correlation(value):
    _, targets = problem()
    scores = np.full((600, 5), value, np.float32)
    assert np.isnan(filled(scores, targets, range(5)).matrix()).all()
    up = np.random.default_rng(0).random(scores.shape) < 0.5
    scores = np.where(up, np.nextafter(scores, np.float32(2)), scores)
    found = filled(scores, targets, range(5))
    assert np.isnan(found.matrix()).all()
    assert found.most_negative(10) == ()


def test_small_probabilities_that_vary_have_a_correlation():
    scores, targets = problem()
    expected = filled(scores, targets, range(5)).matrix()
    np.testing.assert_allclose(filled(scores * np.float32(2**-40), targets, range(5)).matrix(), expected, atol=1e-10)


@pytest.mark.parametrize("classes", [[], [0, 0], [-1, 2], range(257)])
def test_invalid_classes_are_refused(classes):
    with pytest.raises(ValueError, match="1 to 256 distinct class indices"):
        ProbabilityCorrelation(classes)


def test_a_class_beyond_the_batch_is_refused():
    scores, targets = problem()
    with pytest.raises(ValueError, match="class 5 is selected, but there are 5 classes"):
        filled(scores, targets, [0, 5])
