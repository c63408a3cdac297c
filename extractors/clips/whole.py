"""Decoding of all of a video, or of a part of it, at a frame rate: as many frames as it lasts.

In: a path or a seekable binary file object, and the frame rate. Out: uint8 (T, H, W, 3) RGB, upright: frame k is that
on screen k / fps seconds after the start of the part. All are in memory: large ones are reduced to a shorter side of
`MAX_SIDE` pixels, and there are at most `MAX_FRAMES`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from extractors.clips.crops import resized
from extractors.clips.decode import Seconds
from extractors.clips.frame_times import FrameTimes, rounding_ticks
from extractors.clips.passes import UNSURE, Image, fully_decoded_clips, selective_clips
from extractors.length_limit import GIVE_PARTS, LengthLimit
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS, Source
from schemas.outcomes import FailureCode, VideoError

MAX_FRAMES = 750
MAX_SIDE = 480

logger = logging.getLogger(__name__)


def decode_whole(
    source: Source,
    fps: str,
    *,
    start_seconds: Seconds = 0,
    end_seconds: Seconds | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Image:
    """The frames (T, H, W, 3) of the part of `source` between `start_seconds` and `end_seconds`.

    Raises:
        VideoError: for a file that cannot be read as a video, without a decodable frame, or for a part that is too
            long, or begins after the end.
    """
    end = None if end_seconds is None else Fraction(end_seconds)
    request = WholeRequest(as_fps(fps), Fraction(start_seconds), end)
    try:
        ((_, frames),) = selective_clips(source, request, max_pixels)
    except UNSURE as error:
        logger.debug("decoding every frame: %s", error)
        ((_, frames),) = fully_decoded_clips(source, request, max_pixels)
    return frames


def reduced(image: Image) -> Image:
    """A frame whose shorter side is at most `MAX_SIDE`."""
    return resized(image, (MAX_SIDE,)) if min(image.shape[:2]) > MAX_SIDE else image


@dataclass(frozen=True)
class WholeRequest:
    """All frames of the part between `start_seconds` and `end_seconds`, as one clip."""

    fps: Fraction
    start_seconds: Fraction
    end_seconds: Fraction | None
    reaches_end = False

    def resized(self, image: Image) -> Image:
        """A frame as `reduced` gives it."""
        return reduced(image)

    def moments(self, times: FrameTimes, tick: Fraction) -> dict[int, Sequence[int]]:
        """The timestamps of the T frames, in ticks."""
        start, rounding = self.start_seconds / tick, rounding_ticks(tick)
        stop = Fraction(times.end_pts - times.origin)
        if start >= stop:
            raise VideoError(
                FailureCode.NO_DECODABLE_FRAME,
                f"its part begins at {float(self.start_seconds):g} s, but the video lasts {float(stop * tick):g} s: "
                "correct start_seconds in the manifest",
            )
        if self.end_seconds is not None:
            stop = min(stop, self.end_seconds / tick)
        count = max(ceil((stop - start - rounding) * tick * self.fps), 1)
        LengthLimit(MAX_FRAMES, self.fps, GIVE_PARTS).check(count)
        first = times.origin + start + rounding
        return {0: [min(floor(first + k / self.fps / tick), times.end_pts - 1) for k in range(count)]}

    def clip(self, number: int, images: Sequence[Image]) -> Image:
        """The frames (T, H, W, 3); their size may change within a video, that of the first one counts."""
        return np.stack([resized(image, images[0].shape[:2]) for image in images])
