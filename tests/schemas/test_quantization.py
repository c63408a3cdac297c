import numpy as np
import pytest

from schemas.quantization import dequantize, quantize
from tests.support import parity


def test_codes_are_youtube_8ms():
    features = parity.weights.quantize_inputs(parity.MANIFEST["yt8m_pca"]["cases"]["quantize"]["seed"])
    np.testing.assert_array_equal(quantize(features), parity.golden("yt8m_pca")["quantize_codes"])


def test_decoded_values_are_youtube_8ms():
    table = dequantize(np.arange(256, dtype=np.uint8))
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, parity.golden("yt8m_pca")["dequantize_table"], rtol=0, atol=1e-6)


def test_shape_is_kept_and_a_round_trip_is_within_a_step():
    features = np.linspace(-2, 2, 60, dtype=np.float32).reshape(3, 4, 5)
    decoded = dequantize(quantize(features))
    assert decoded.shape == features.shape
    assert np.abs(decoded - features).max() < 4 / 255


def test_values_outside_the_range_saturate():
    np.testing.assert_array_equal(quantize(np.array([-np.inf, -9.0, 9.0, np.inf])), [0, 0, 255, 255])


def test_nan_is_refused_with_its_count():
    with pytest.raises(ValueError, match="1 NaN of 3"):
        quantize(np.array([0.0, np.nan, 1.0], dtype=np.float32))


def test_only_uint8_is_decoded():
    with pytest.raises(TypeError, match="int64"):
        dequantize(np.array([1, 2], dtype=np.int64))
