"""Thumbnails: a frame, or a video, to a JPEG; of at most 224 pixels on its longer side, as reports take them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from extractors.video.decode import Sampler, sample_frames
from extractors.video.media import Source, open_media
from extractors.video.probe import header_duration
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Seconds

LONG_SIDE = 224
POSITION = Fraction(1, 3)  # of the length: videos often start black
DEFAULT_SECONDS = Fraction(9)  # assumed length of a video without a duration in its headers


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG of the frame at `seconds` after the first frame."""

    seconds: float
    jpeg: bytes


def encode_thumbnail(image: NDArray[np.uint8], long_side: int = LONG_SIDE) -> bytes:
    """uint8 (H, W, 3) RGB to JPEG bytes, downscaled to `long_side` pixels on the longer side."""
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.options = {"qmin": "5", "qmax": "5"}
    encoder.time_base = Fraction(1)  # required by the encoder, without meaning for a still image
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(width, height, "yuvj420p", threads=1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def video_thumbnail(source: Source, start_seconds: Seconds = 0, end_seconds: Seconds | None = None) -> Thumbnail:
    """A frame of the part of a video between `start_seconds` and `end_seconds`.

    Raises:
        VideoError: if the file cannot be read, or has no frame from `start_seconds` on.
    """
    start = Fraction(start_seconds)
    with open_media(source) as media:
        length = header_duration(media) or start + DEFAULT_SECONDS
        end = length if end_seconds is None else min(length, Fraction(end_seconds))
        second = Fraction(int(start + max(end - start, Fraction(0)) * POSITION))
        for sample in Sampler(media, source, Fraction(1)).samples(second, second + 1):
            return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
    if hasattr(source, "seek"):
        source.seek(0)
    for sample in sample_frames(source, start_seconds=start):  # the file is shorter than its header declares
        return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
    raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"it has no frame from second {start_seconds} on")
