"""A picture → a small JPEG for the report's contact sheet."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

LONG_SIDE = 224


@dataclass(frozen=True)
class Thumbnail:
    """A small JPEG of what is seen `seconds` into a video."""

    seconds: float
    jpeg: bytes


def encode_thumbnail(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG bytes, its longer side 224 pixels or less."""
    height, width = image.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.options = {"qmin": "5", "qmax": "5"}
    encoder.time_base = Fraction(1)  # any will do: a still picture has no clock
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(width, height, "yuvj420p", threads=1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
