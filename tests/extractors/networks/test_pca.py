import numpy as np
import pytest

from extractors.networks.pca import Pca, PcaStatistics, fit_pca, random_pca
from tests.support import parity

CASE = parity.MANIFEST["yt8m_pca"]["cases"]["pca"]


def youtube_8m_statistics():
    return PcaStatistics(*parity.weights.rgb_pca_files(CASE["files_seed"]))


def test_whitened_projection_equals_youtube_8ms():
    features = parity.weights.pooled_features(**CASE["features"])
    projected = youtube_8m_statistics().whitened(1024).apply(features)
    assert projected.dtype == np.float32
    assert parity.rel_rms(projected, parity.golden("yt8m_pca")["pca_output"][:3]) < 1e-5


def test_a_row_does_not_depend_on_the_others():
    pca = youtube_8m_statistics().whitened(1024)
    features = parity.weights.pooled_features(5, rows=19)
    together = pca.apply(features)
    for size in (1, 2, 7, 16):
        parts = [pca.apply(features[start : start + size]) for start in range(0, 19, size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)
    assert pca.apply(features[:0]).shape == (0, 1024)


def test_fitting_in_chunks_finds_the_covariance():
    random = np.random.default_rng(0)
    scales = np.linspace(4.0, 0.5, 12)
    basis = np.linalg.qr(random.standard_normal((12, 12)))[0]
    features = (random.standard_normal((5000, 12)) * scales @ basis + 100.0).astype(np.float32)
    fitted = fit_pca(np.array_split(features, [1, 17, 17, 3000]))

    values, vectors = np.linalg.eigh(np.cov(features.astype(np.float64).T, bias=True))
    np.testing.assert_allclose(fitted.mean[:, 0], features.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(fitted.eigenvals[:, 0], values[::-1], rtol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(fitted.eigenvecs * vectors.T[::-1], axis=1)), 1.0, rtol=1e-4)

    whitened = fitted.whitened(8).apply(features)
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(8), atol=2e-3)
    assert fit_pca([features]).eigenvecs.tobytes() == fit_pca([features]).eigenvecs.tobytes()


@pytest.mark.parametrize("chunks", [[], [np.ones((1, 4), np.float32)], [np.ones((0, 4), np.float32)]])
def test_fitting_to_nothing_is_refused(chunks):
    with pytest.raises(ValueError, match="at least two rows"):
        fit_pca(chunks)


def test_fitting_to_different_widths_is_refused():
    with pytest.raises(ValueError, match="4 columns"):
        fit_pca([np.ones((2, 4), np.float32), np.ones((2, 5), np.float32)])


def test_random_projection_is_orthogonal_and_seeded():
    pca = random_pca(3, dims_in=128)
    np.testing.assert_allclose(pca.matrix.T @ pca.matrix, np.eye(128), atol=1e-5)
    np.testing.assert_array_equal(pca.matrix, random_pca(3, dims_in=128).matrix)
    assert not np.allclose(pca.matrix, random_pca(4, dims_in=128).matrix)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        Pca(np.zeros(3, np.float32), np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match="not finite"):
        Pca(np.full(3, np.nan, np.float32), np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"\(N, 3\), got \(5, 4\)"):
        Pca(np.zeros(3, np.float32), np.zeros((3, 2), np.float32)).apply(np.zeros((5, 4), np.float32))


def test_negative_eigenvalues_are_refused():
    statistics = PcaStatistics(np.zeros((2, 1)), np.array([[1.0], [-1.0]]), np.eye(2))
    with pytest.raises(ValueError, match="must not be negative"):
        statistics.whitened(2)
