"""Eight-bit codes of features, in the convention of the YouTube-8M data set.

In: float32 of any shape, whitened features whose useful range is [-2, 2]. Out: uint8 of the same shape, and back.

The encoder clips to [-2, 2] and stores round((x + 2) * 255 / 4), ties to the even code, so 0 becomes 128. The decoder
is the one the published data is read with: code * 4 / 255 + 4 / 512 - 2. It adds half a step of a 256-level grid
although the encoder's grid has 255 levels, so a decoded value lies about 0.0078 above the encoded one on average.
Models trained on the data set expect exactly that, hence it stays.

Source: google/youtube-8m, `feature_extractor/extract_tfrecords_main.py` (encoder) and `utils.py` (decoder).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEATURE_MIN = -2.0
FEATURE_MAX = 2.0
CODES_PER_UNIT = 255.0 / (FEATURE_MAX - FEATURE_MIN)


def quantize(features: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Features of any shape to uint8 codes; values outside [-2, 2] saturate.

    The arithmetic is done in the precision of the input: float32 in production, as the published encoder does.

    Raises:
        ValueError: if a value is NaN, which has no code.
    """
    if np.isnan(features).any():
        raise ValueError(f"features to quantize contain {int(np.isnan(features).sum())} NaN of {features.size} values")
    clipped = np.clip(features, FEATURE_MIN, FEATURE_MAX)
    codes: NDArray[np.uint8] = np.rint((clipped - FEATURE_MIN) * CODES_PER_UNIT).astype(np.uint8)
    return codes


def dequantize(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 codes of any shape to float32 features in [-1.9922, 2.0078]."""
    if codes.dtype != np.uint8:
        raise TypeError(f"codes must be uint8, got {codes.dtype}")
    span = FEATURE_MAX - FEATURE_MIN
    table = np.arange(256, dtype=np.float64) * (span / 255.0) + (span / 512.0 + FEATURE_MIN)
    return table.astype(np.float32)[codes]
