import numpy as np
import pytest

from schemas.quantization import YOUTUBE_8M_RANGE, CodeRange, code_range_of, decode, dequantize, quantize
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


def test_codes_of_another_range():
    wide = CodeRange(-1, 3)
    table = dequantize(np.arange(256, dtype=np.uint8), wide)
    np.testing.assert_allclose(table, np.arange(256) * 4 / 255 + 4 / 512 - 1, rtol=0, atol=1e-6)
    assert quantize(np.array([-1.5, -1.0, 1.0, 3.0, 9.0], np.float32), wide).tolist() == [0, 0, 128, 255, 255]
    features = np.linspace(-1, 3, 50, dtype=np.float32)
    assert np.abs(dequantize(quantize(features, wide), wide) - features).max() < 4 / 255


@pytest.mark.parametrize("text", ["-2..2", "-1..3", "0.1234567891..1000000", "-0.25..0"])
def test_a_range_is_text_and_back(text):
    assert str(CodeRange.parse(text)) == text
    assert CodeRange.parse(text) == code_range_of({"fps": "1", "code_range": text})


def test_the_range_is_youtube_8ms_unless_the_fingerprint_says_otherwise():
    assert code_range_of({"source": "youtube-8m"}) == YOUTUBE_8M_RANGE == CodeRange.parse("-2..2")


@pytest.mark.parametrize("text", ["", "2", "-1,3", "a..b", "3..-1", "1..1", "nan..1", "0..inf", "..1"])
def test_other_text_is_no_range(text):
    with pytest.raises(ValueError, match=r"a range of features is LOW\.\.HIGH"):
        CodeRange.parse(text)


@pytest.mark.parametrize("code_range", [YOUTUBE_8M_RANGE, CodeRange(-1, 3)])
def test_the_mean_of_codes_decodes_to_the_mean_of_features(code_range):
    codes = np.random.default_rng(0).integers(0, 256, (50, 4), np.uint8)
    mean = decode(codes.mean(axis=0), code_range)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, dequantize(codes, code_range).mean(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-6)
