"""Sum and codes of embeddings do not depend on the blocks that these come in."""

from __future__ import annotations

import numpy as np
import pytest

from extractors.feature_totals import FeatureTotals
from schemas.quantization import quantize

RNG = np.random.default_rng(0)
EMBEDDINGS = (3 * RNG.standard_normal((301, 16))).astype(np.float32)
COUNTS = RNG.integers(1, 4, 301)


def totals(size: int, counts: np.ndarray, *, keeps_codes: bool = True, keeps_values: bool = False) -> FeatureTotals:
    taken = FeatureTotals(16, keeps_codes=keeps_codes, keeps_values=keeps_values)
    for start in range(0, 301, size):
        taken.add(EMBEDDINGS[start : start + size], counts[start : start + size])
    return taken


@pytest.mark.parametrize("size", [301, 300, 7, 1])
def test_blocks_make_no_difference_to_the_bit(size: int) -> None:
    found = totals(size, np.ones(301, np.int64))
    np.testing.assert_array_equal(found.sum, EMBEDDINGS.sum(axis=0, dtype=np.float64))
    np.testing.assert_array_equal(found.codes, quantize(EMBEDDINGS))


@pytest.mark.parametrize("size", [301, 10])
def test_an_embedding_counts_at_each_of_its_grid_points(size: int) -> None:
    found, expected = totals(size, COUNTS), np.repeat(EMBEDDINGS, COUNTS, axis=0)
    np.testing.assert_allclose(found.sum, expected.sum(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal(found.codes, quantize(expected))


def test_codes_and_values_are_kept_on_request() -> None:
    assert totals(100, COUNTS, keeps_codes=False).codes is None
    assert totals(100, COUNTS).values is None
    np.testing.assert_array_equal(
        totals(100, COUNTS, keeps_values=True).values, np.repeat(EMBEDDINGS, COUNTS, axis=0), strict=True
    )


def test_no_embedding_at_all() -> None:
    found = FeatureTotals(16, keeps_codes=True)
    assert not found.sum.any()
    assert np.shape(found.codes) == (0, 16)
