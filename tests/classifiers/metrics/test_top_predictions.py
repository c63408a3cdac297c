import numpy as np
import pytest

from classifiers.metrics.top_predictions import top_predictions


@pytest.mark.parametrize(("num_classes", "count"), [(1, 1), (7, 3), (7, 7), (7, 20), (50, 20), (300, 5)])
@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_predictions_equal_the_first_of_a_stable_sort(num_classes, count, levels):
    random = np.random.default_rng(num_classes + levels)
    scores = (random.integers(-levels, levels, (200, num_classes)) / levels).astype(np.float32)
    classes, values = top_predictions(scores, count)
    expected = np.array([sorted(range(num_classes), key=lambda k: (-row[k], k))[:count] for row in scores])
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(scores, expected, axis=1))


def test_no_videos():
    classes, values = top_predictions(np.zeros((0, 9), np.float32), 3)
    assert classes.shape == values.shape == (0, 3)


@pytest.mark.parametrize(("shape", "count"), [((3, 4), 0), ((4,), 1)])
def test_invalid_arguments_are_refused(shape, count):
    with pytest.raises(ValueError, match=f"cannot take the top {count} of scores"):
        top_predictions(np.zeros(shape), count)
