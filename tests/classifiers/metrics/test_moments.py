import numpy as np
import pytest

from classifiers.metrics import moments
from classifiers.metrics.moments import Moments


@pytest.mark.parametrize("waiting_rows", [1, 50, 10**6])
def test_moments_are_those_of_all_vectors_at_once(monkeypatch, waiting_rows):
    monkeypatch.setattr(moments, "BUFFERED_ROWS", waiting_rows)
    random = np.random.default_rng(0)
    groups, vectors = random.integers(0, 4, 400), 1e6 + random.standard_normal((400, 3))
    groups[groups == 2] = 1  # group 2 is empty
    found, merged = Moments(4, 3, products=True), Moments(4, 3)
    for part in np.array_split(np.arange(400), 13):
        found.update(groups[part], vectors[part])
        worker = Moments(4, 3)
        worker.update(groups[part], vectors[part])
        merged.merge(worker.state())
    for group in (0, 1, 3):
        mine = vectors[groups == group]
        for each in (found, merged):
            assert each.counts()[group] == len(mine)
            np.testing.assert_allclose(each.means()[group], mine.mean(axis=0), rtol=1e-14)
            np.testing.assert_allclose(each.variances()[group], mine.var(axis=0), rtol=1e-8)
        np.testing.assert_allclose(found.covariances(group), np.cov(mine.T, bias=True), rtol=0, atol=1e-8)
    assert found.counts()[2] == 0
    assert found.variances()[2].tolist() == [0, 0, 0]


def test_rounding_errors_are_not_variance():
    found = Moments(1, 1)
    for _ in range(7):
        found.update(np.zeros(999, int), np.full((999, 1), 0.1, np.float32))
    assert found.variances().tolist() == [[0]]
    found.update(np.zeros(1, int), np.full((1, 1), np.nextafter(np.float32(0.1), 1)))
    assert found.variances()[0, 0] > 0


def test_batches_without_vectors():
    found = Moments(2, 3)
    found.update(np.zeros(0, int), np.zeros((0, 3)))
    assert found.state()["count"].tolist() == [0, 0]
