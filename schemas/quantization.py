"""Eight-bit codes of features, in the convention of the YouTube-8M data set.

In: float32 of any shape, whitened features whose useful range is [-2, 2]. Out: uint8 of the same shape, and back.

The encoder clips to [-2, 2] and stores round((x + 2) * 255 / 4), ties to the even code, so 0 becomes 128. The decoder
is the one the published data is read with: code * 4 / 255 + 4 / 512 - 2. It adds half a step of a 256-level grid
although the encoder's grid has 255 levels, so a decoded value lies about 0.0078 above the encoded one on average.
Models trained on the data set expect exactly that, hence it stays. Features of other extractors may have codes of
another range, in the same convention.

Source: google/youtube-8m, `feature_extractor/extract_tfrecords_main.py` (encoder) and `utils.py` (decoder).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

CODE_RANGE = "code_range"  # its key in a fingerprint, where it is not YouTube-8M's


@dataclass(frozen=True)
class CodeRange:
    """The range of features that codes 0 to 255 stand for; as text `-2..2`."""

    minimum: float = -2.0
    maximum: float = 2.0

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum) and self.minimum < self.maximum):
            raise ValueError(f"a range of features is LOW..HIGH, two numbers in this order, not {self}")

    def __str__(self) -> str:
        return "..".join(repr(float(number)).removesuffix(".0") for number in (self.minimum, self.maximum))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The range that `LOW..HIGH` denotes; raises `ValueError` for other text."""
        low, _, high = text.partition("..")
        try:
            numbers = float(low), float(high)
        except ValueError:
            raise ValueError(f"a range of features is LOW..HIGH, such as -2..2, not {text!r}") from None
        return cls(*numbers)

    @property
    def span(self) -> float:
        """The width of the range."""
        return self.maximum - self.minimum


YOUTUBE_8M_RANGE = CodeRange()


def code_range_of(fingerprint: Mapping[str, str]) -> CodeRange:
    """The range of the codes of features with this fingerprint; raises `ValueError` for an invalid one."""
    return CodeRange.parse(fingerprint[CODE_RANGE]) if CODE_RANGE in fingerprint else YOUTUBE_8M_RANGE


def quantize(features: NDArray[np.floating], code_range: CodeRange = YOUTUBE_8M_RANGE) -> NDArray[np.uint8]:
    """Features of any shape to uint8 codes; values outside the range saturate.

    The arithmetic is done in the precision of the input: float32 in production, as the published encoder does.

    Raises:
        ValueError: if a value is NaN, which has no code.
    """
    if np.isnan(features).any():
        raise ValueError(f"features to quantize contain {int(np.isnan(features).sum())} NaN of {features.size} values")
    clipped = np.clip(features, code_range.minimum, code_range.maximum)
    codes: NDArray[np.uint8] = np.rint((clipped - code_range.minimum) * (255.0 / code_range.span)).astype(np.uint8)
    return codes


def dequantize(
    codes: NDArray[np.uint8],
    code_range: CodeRange = YOUTUBE_8M_RANGE,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """uint8 codes of any shape to float32 features, by default in [-1.9922, 2.0078]; into `out`, if it is given."""
    if codes.dtype != np.uint8:
        raise TypeError(f"codes must be uint8, got {codes.dtype}")
    # Every code is in the table: without a check it takes a third of the time.
    features: NDArray[np.float32] = np.take(decode(np.arange(256), code_range), codes, out=out, mode="clip")
    return features


def decode(codes: NDArray[Any], code_range: CodeRange = YOUTUBE_8M_RANGE) -> NDArray[np.float32]:
    """Codes in any type to float32 features; of means of codes, the means of the features."""
    span = code_range.span
    values: NDArray[np.float64] = codes * (span / 255.0) + (span / 512.0 + code_range.minimum)
    return values.astype(np.float32)
