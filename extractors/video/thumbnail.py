"""A picture, or a video, → a small JPEG for reports."""

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

LONG_SIDE = 224
SHOWN_AT = Fraction(1, 3)  # of the length: beginnings are often black
UNKNOWN_SECONDS = Fraction(9)  # length of a video whose headers do not tell


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


def video_thumbnail(source: Source, start_seconds: int = 0, end_seconds: int | None = None) -> Thumbnail:
    """A picture of the stretch that is wanted of a video. Raises `VideoError` where there is none."""
    start = Fraction(start_seconds)
    with open_media(source) as media:
        length = header_duration(media) or start + UNKNOWN_SECONDS
        end = length if end_seconds is None else min(length, Fraction(end_seconds))
        second = Fraction(int(start + max(end - start, Fraction(0)) * SHOWN_AT))
        for sample in Sampler(media, source, Fraction(1)).samples(second, second + 1):
            return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
    if hasattr(source, "seek"):
        source.seek(0)
    for sample in sample_frames(source, start_seconds=start):  # shorter than promised
        return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
    raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"nothing is shown from second {start_seconds} on")
