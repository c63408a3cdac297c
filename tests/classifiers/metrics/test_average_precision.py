import itertools

import numpy as np
import pytest

from classifiers.metrics.average_precision import ranked_precisions


def average_precisions(lists, scores, are_correct, relevant, at=None):
    return ranked_precisions(lists, scores, are_correct).averages(relevant, at)


def one_list(are_correct, scores, relevant, at=None):
    lists = np.zeros(len(scores), np.uint8)
    return average_precisions(lists, np.array(scores, float), np.array(are_correct, bool), np.array([relevant]), at)[0]


def by_definition(are_correct, relevant, at=None):
    places = [place for place, right in enumerate(are_correct[:at]) if right]
    return sum((i + 1) / (place + 1) for i, place in enumerate(places)) / min(relevant, at or relevant)


def test_precision_at_each_relevant_rank():
    assert one_list([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], 2) == pytest.approx((1 + 2 / 3) / 2)


def test_relevant_items_without_prediction_count_as_missed():
    assert one_list([1, 0], [0.9, 0.8], 4) == pytest.approx(1 / 4)
    assert one_list([0, 0], [0.9, 0.8], 4) == 0


def test_at_n_the_first_n_predictions_and_at_most_n_relevant_items_count():
    are_correct, scores = [1, 0, 1, 1], [0.9, 0.8, 0.7, 0.6]
    assert one_list(are_correct, scores, 9, at=3) == pytest.approx((1 + 2 / 3) / 3)
    assert one_list(are_correct, scores, 2, at=3) == pytest.approx((1 + 2 / 3) / 2)
    assert one_list(are_correct, scores, 9, at=20) == one_list(are_correct, scores, 9)
    assert np.isnan(one_list(are_correct, scores, 0, at=3))


@pytest.mark.parametrize("scores", [[1, 1, 1, 1, 1], [3, 2, 2, 2, 1], [2, 2, 1, 1, 1], [5, 5, 5, 5, 2]])
@pytest.mark.parametrize("are_correct", list(itertools.product([0, 1], repeat=5))[1:])
def test_ties_get_the_mean_over_all_their_orders(scores, are_correct):
    orders = [order for order in itertools.permutations(range(5)) if [scores[i] for i in order] == scores]
    for at in (None, 1, 3):
        mean = np.mean([by_definition([are_correct[i] for i in order], 5, at) for order in orders])
        assert one_list(are_correct, scores, 5, at) == pytest.approx(mean, abs=1e-14)


def test_a_batch_of_lists_equals_each_list_alone():
    random = np.random.default_rng(0)
    lists = random.integers(0, 7, 500).astype(np.uint16)
    lists[lists == 3] = 4  # nothing was predicted for list 3
    scores = np.sort(random.integers(0, 40, 500) / 40)[::-1]
    are_correct = random.random(500) < 0.3
    relevant = np.array([60, 60, 60, 5, 200, 60, 60, 0])
    together = average_precisions(lists, scores, are_correct, relevant)
    for number in range(7):
        mine = lists == number
        assert together[number] == pytest.approx(one_list(are_correct[mine], scores[mine], relevant[number]), abs=1e-14)
    assert together[3] == 0
    assert np.isnan(together[7])


def test_no_predictions():
    nothing = np.zeros(0)
    found = average_precisions(nothing.astype(np.uint8), nothing, nothing.astype(bool), np.array([2, 0]))
    np.testing.assert_array_equal(found, [0, np.nan])
