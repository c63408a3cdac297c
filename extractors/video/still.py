"""One frame of a video, soon: the one on screen at a time, for somebody who looks, as a JPEG.

Reading begins at the key frame that the container's index leads to, however rough the index is; where that gives no
frame in time, the video is sampled from its start (`extractors.video.decode`). Where timestamps jump, the picture may
be another than that of the sample at the same time.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from extractors.video.decode import sample_frames
from extractors.video.image import RgbConverter
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.thumbnail import Thumbnail, encode_thumbnail
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Seconds

MARGINS_SECONDS = (0, 4, 16, 64)  # before the time, from which key frames are looked for


def video_still(source: Source, seconds: Seconds, *, long_side: int, max_pixels: int = MAX_PIXELS) -> Thumbnail:
    """The frame on screen at `seconds` after the first one, or the last one; with at most `long_side` pixels a side.

    Raises:
        VideoError: if the file cannot be read, or no frame of it can be decoded.
    """
    with open_media(source, max_pixels=max_pixels) as media:
        found = _sought(media, Fraction(seconds))
        if found is not None:
            return Thumbnail(found[0], encode_thumbnail(found[1], long_side))
    for start in (int(seconds), 0):
        if hasattr(source, "seek"):
            source.seek(0)
        for sample in sample_frames(source, start_seconds=start, end_seconds=start + 1, max_pixels=max_pixels):
            return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image, long_side))
    raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"it has no frame at second {float(seconds):g}")


def _sought(media: Media, seconds: Fraction) -> tuple[float, NDArray[np.uint8]] | None:
    """The frame's own time and image (H, W, 3), from an index; None where it does not lead there."""
    stream, time_base = media.video, media.video.time_base
    assert time_base is not None
    first = _last_until(None, media, RgbConverter())
    if first is None or first.pts is None:
        return None
    target = first.pts + int(seconds / time_base)
    for margin in MARGINS_SECONDS:
        to_rgb = RgbConverter(media.crop)
        with suppress(av.error.FFmpegError, OverflowError):
            # Before the first frame, too: of MPEG-TS, that is where the first key frame is found.
            media.container.seek(target - int(margin / time_base), stream=stream, backward=True)
            frame = _last_until(target, media, to_rgb)
            if frame is not None and frame.pts is not None:
                return float((frame.pts - first.pts) * time_base), to_rgb(frame)
    return None


def _last_until(target: int | None, media: Media, to_rgb: RgbConverter) -> VideoFrame | None:
    """The last frame from here that begins until `target`, or the first one; None where it has no time."""
    last: VideoFrame | None = None
    with suppress(av.error.FFmpegError, IndexError):  # damage ends it
        for frame in media.container.decode(media.video):
            if frame.pts is None or (target is not None and frame.pts > target):
                break
            to_rgb.follow(frame)
            last = frame
            if target is None:
                break
    return last
