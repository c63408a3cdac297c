"""Crops of a mouth, normalised for a lip reader.

In: uint8 (T, H, W, 3), RGB, the frames of one clip. Out: float32 (T, H, W, C). T frames, C channels, 3 or 1 (grey).

Grey is that of TensorFlow's `rgb_to_grayscale`: ITU-R BT.601, in bytes, rounded down from 255.5 at full scale. A clip
is standardised over all its pixels, those of padding not among them: batches are padded afterwards.

`standardised-uint8-wrap` repeats a widespread loader of the GRID corpus, which subtracts in bytes: a pixel d levels
darker than the mean becomes 256 - d, brighter than any other. Networks trained with it need the same; new ones do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.lips import GREY_WEIGHTS, STANDARDISED, UNIT, LipInput

FULL_SCALE = np.float32(255.5)


def lip_preprocess(frames: NDArray[np.uint8], look: LipInput) -> NDArray[np.float32]:
    """The frames of a clip as the network's input.

    Raises:
        ValueError: for frames of another type or shape, and for a clip of one colour if it is to be standardised.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or not len(frames):
        raise ValueError(f"a clip is uint8 (T, H, W, 3), got {frames.dtype} {frames.shape}")
    if frames.shape[1:] != (look.height, look.width, 3):
        raise ValueError(f"a crop is {look.height} x {look.width} x 3, got {' x '.join(map(str, frames.shape[1:]))}")
    pixels = frames if look.colours == "rgb" else frames[..., ::-1]
    if look.channels == 1:
        pixels = grey(pixels)
    if look.normalisation == UNIT:
        return pixels.astype(np.float32) / np.float32(255)
    mean, deviation = pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64)
    if deviation == 0:
        raise ValueError(f"all pixels of the clip are {pixels.flat[0]}: there is nothing to standardise")
    if look.normalisation == STANDARDISED:
        standardised: NDArray[np.float32] = ((pixels - mean) / deviation).astype(np.float32)
        return standardised
    wrapped = pixels - np.uint8(mean)  # in bytes
    return wrapped.astype(np.float32) / np.float32(deviation)


def grey(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (…, 3), the first taken for red, to grey (…, 1)."""
    unit = frames.astype(np.float32) * np.float32(1 / 255)
    level = (unit * np.array(GREY_WEIGHTS, np.float32)).sum(axis=-1, keepdims=True)
    rounded: NDArray[np.uint8] = (level * FULL_SCALE).astype(np.uint8)
    return rounded
