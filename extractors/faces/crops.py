"""Pictures of a mouth for lip-reading networks.

In: frames uint8 (T, H, W, 3) RGB and, for aligned crops, a `MouthTrack`. Out: uint8 (T, h, w, C); C is 1 for grey.

Aligned crops turn the eye line level, and centre the lips. Their size is that of the lips' median width over the clip,
so that a mouth that opens does not zoom. `FORMATS`:

- `lipnet`: 50 x 100 RGB; the lips take 100 / (1 + 2 x 0.19) pixels of the width, as in LipNet (arXiv 1611.01599)
- `lipnet-keras`: 46 x 140 grey; the lips take 40 pixels, as they do on average in the fixed crop of the GRID corpus

The fixed crop is that of the public Keras tutorial on GRID: rows 190 to 236, columns 80 to 220 of 288 x 360 pixels,
and its standardisation, which networks trained on it need: it subtracts a whole number from unsigned bytes, so that
darker pixels wrap around by 256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from extractors.faces.mouths import MouthTrack
from extractors.faces.regions import Region, angle_radians, pixels_of
from extractors.networks.image_input import as_image_tensor
from schemas.outcomes import FailureCode, VideoError

GREY_SHARES = (0.2989, 0.587, 0.114)  # of blue, green and red: the tutorial takes OpenCV's frames for RGB
FIXED_FRAME = (288, 360)
FIXED_ROWS, FIXED_COLUMNS = slice(190, 236), slice(80, 220)


@dataclass(frozen=True)
class MouthFormat:
    """What a network takes: `height` x `width` pixels, with lips that are `lips_width` pixels wide."""

    height: int
    width: int
    lips_width: float
    is_grey: bool


FORMATS: Mapping[str, MouthFormat] = {
    "lipnet": MouthFormat(50, 100, 100 / (1 + 2 * 0.19), is_grey=False),
    "lipnet-keras": MouthFormat(46, 140, 40.0, is_grey=True),
}


def aligned_crops(frames: NDArray[np.uint8], track: MouthTrack, form: MouthFormat) -> NDArray[np.uint8]:
    """The mouth in all frames, (T, h, w, C)."""
    scale = float(np.median(track.boxes[:, 2] - track.boxes[:, 0])) / form.lips_width
    pictures = []
    for image, (x, y), line in zip(frames, track.centres.tolist(), track.eye_lines, strict=True):
        region = Region(x, y, scale, angle_radians(line))
        pixels = pixels_of(as_image_tensor(image), region, form.height, form.width)
        pictures.append(pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy())
    colours = np.stack(pictures)
    return grey(colours) if form.is_grey else colours


def fixed_crop(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The place of the mouth in the GRID corpus, grey as in the tutorial: (T, 46, 140, 1).

    Raises:
        VideoError: if the frames have another size than those of the corpus.
    """
    if frames.shape[1:3] != FIXED_FRAME:
        height, width = frames.shape[1:3]
        raise VideoError(
            FailureCode.NO_FACE,
            f"its frames are {width} x {height} pixels, and the fixed place of the mouth is that of the GRID corpus, "
            "360 x 288: find the mouth instead",
        )
    return grey(frames[:, FIXED_ROWS, FIXED_COLUMNS])


def grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey level of RGB (..., 3) as the tutorial computes it, (..., 1), rounded as TensorFlow does."""
    unit = pictures[..., ::-1].astype(np.float32) * np.float32(1 / 255)
    level = unit @ np.array(GREY_SHARES, np.float32)
    levels: NDArray[np.uint8] = np.floor(level * np.float32(255.5)).astype(np.uint8)
    return levels[..., None]


def standardised(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The tutorial's input: (x - whole mean) in unsigned bytes, by the standard deviation of all pixels."""
    deviation = np.float32(pictures.astype(np.float32).std(dtype=np.float64))
    wrapped = pictures - np.uint8(pictures.mean(dtype=np.float64))
    return wrapped.astype(np.float32) / deviation
