"""Thumbnails: a frame, or a video, to a JPEG; of at most 224 pixels on its longer side, as reports take them.

Blurred ones hold the mean colours of `CELLS` x `CELLS` parts of the frame or fewer, and no more: whatever is done to
the file, nothing can be recognised.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

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
CELLS = 5  # on the longer side of a blurred picture
POSITION = Fraction(1, 3)  # of the length: videos often start black
NEAR = 4  # points in the second before a given moment: the video may end before it
DEFAULT_SECONDS = Fraction(9)  # assumed length of a video without a duration in its headers


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG of the frame at `seconds` after the first frame."""

    seconds: float
    jpeg: bytes


def encode_thumbnail(image: NDArray[np.uint8], long_side: int = LONG_SIDE, *, is_blurred: bool = False) -> bytes:
    """uint8 (H, W, 3) RGB to JPEG bytes, downscaled to `long_side` pixels on the longer side."""
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.options = {"qmin": "5", "qmax": "5"}
    encoder.time_base = Fraction(1)  # required by the encoder, without meaning for a still image
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    if is_blurred:
        small = frame.reformat(width, height, "rgb24", threads=1).to_ndarray()
        frame = av.VideoFrame.from_ndarray(blurred(small.astype(np.uint8)), format="rgb24")
    frame = frame.reformat(width, height, "yuvj420p", threads=1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) to the same size: the means of at most `CELLS` parts on the longer side, drawn smoothly."""
    values = image.astype(np.float64)
    for axis, length in enumerate(image.shape[:2]):
        count = max(1, length * CELLS // max(image.shape[:2]))
        edges = np.arange(count + 1) * length // count
        shape = [-1 if place == axis else 1 for place in range(3)]
        means = np.add.reduceat(values, edges[:-1], axis) / np.diff(edges).reshape(shape)
        position = np.clip((np.arange(length) + 0.5) * count / length - 0.5, 0, count - 1)
        below = position.astype(np.intp)
        share = (position - below).reshape(shape)
        above = np.minimum(below + 1, count - 1)
        values = means.take(below, axis) * (1 - share) + means.take(above, axis) * share
    return np.rint(values).astype(np.uint8)


def video_thumbnail(
    source: Source,
    start_seconds: Seconds = 0,
    end_seconds: Seconds | None = None,
    *,
    at_seconds: Fraction | None = None,
    is_blurred: bool = False,
) -> Thumbnail:
    """A frame of the part of a video between `start_seconds` and `end_seconds`.

    at_seconds  after the first frame of the video: the frame on screen then, or the last one in the second before;
                by default a frame after a third of the part, at a whole second if one of the part is near

    Raises:
        VideoError: if the file cannot be read, or has no frame from `start_seconds` on.
    """
    start = Fraction(start_seconds)
    assumed = start + DEFAULT_SECONDS if at_seconds is None else at_seconds + 1
    with open_media(source) as media:
        length = header_duration(media) or assumed
        end = length if end_seconds is None else min(length, Fraction(end_seconds))
        grid = _third(start, end) if at_seconds is None else moment_grid(min(at_seconds, end), start, end)
        for sample in deque(Sampler(media, source, grid[0]).samples(*grid[1:]), maxlen=1):
            return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image, is_blurred=is_blurred))
    # The file is shorter than its header declares.
    for last in (None,) if end_seconds is None else (Fraction(end_seconds), None):
        if hasattr(source, "seek"):
            source.seek(0)
        for sample in sample_frames(source, start_seconds=start, end_seconds=last):
            return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image, is_blurred=is_blurred))
    raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"it has no frame from second {start_seconds} on")


def _third(start: Fraction, end: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """The grid of one point after a third of a part, at a whole second if that is in it: its rate, start and end."""
    at = start + max(end - start, Fraction(0)) * POSITION
    second = Fraction(int(at))
    return (Fraction(1), second, second + 1) if second >= start else moment_grid(at, start, end)


def moment_grid(at: Fraction, start: Fraction, end: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """The grid whose last point is `at`, with others in the second before it: its rate, its start and its end."""
    rate = ceil(NEAR * at) / at if at else Fraction(1)
    return rate, max(at - 1, start), min(at + 1 / rate, end)
