import numpy as np
import pytest

from benchmarks.differences import lowest_cosine, relative_rms

EXACT = np.array([[3.0, 4.0], [0.0, 5.0]])


def test_errors_are_relative_to_exact_rows():
    assert relative_rms(EXACT * 1.5, EXACT) == pytest.approx(0.5)
    assert relative_rms(EXACT, EXACT) == 0


def test_the_worst_row_counts():
    assert lowest_cosine(np.array([[4.0, 3.0], [0.0, 1.0]]), EXACT) == pytest.approx(0.96)
