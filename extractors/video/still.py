"""One frame of a video, soon: the one on screen at a time, for somebody who looks, as a JPEG.

Reading begins at the key frame that the container's index leads to, however rough the index is; where that gives no
frame, the video is sampled in the second before the time (`extractors.video.decode`), and where it has none there, its
frames are decoded one by one. Where timestamps jump, the picture may be another than that of the sample at the same
time.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from fractions import Fraction

import av.error
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from extractors.video.decode import Sampler
from extractors.video.full_decode import FullDecode, no_frame_error
from extractors.video.image import RgbConverter
from extractors.video.joined import open_joined
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.packets import PacketReader
from extractors.video.thumbnail import Thumbnail, encode_thumbnail, moment_grid
from schemas.videos import Seconds

MARGINS_SECONDS = (0, 4, 16, 64)  # before the time, from which key frames are looked for


def video_still(source: Source, seconds: Seconds, *, long_side: int, max_pixels: int = MAX_PIXELS) -> Thumbnail:
    """The frame on screen at `seconds` after the first one, or the last one; with at most `long_side` pixels a side.

    Raises:
        VideoError: if the file cannot be read, or no frame of it can be decoded.
    """
    at = Fraction(seconds)
    with open_media(source, max_pixels=max_pixels) as media:
        found = _sought(media, at)
        if found is not None:
            return Thumbnail(found[0], encode_thumbnail(found[1], long_side))
    if hasattr(source, "seek"):
        source.seek(0)
    rate, start, end = moment_grid(at, Fraction(0), at + 1)
    with open_media(source, max_pixels=max_pixels) as media:
        for sample in deque(Sampler(media, source, rate, max_pixels=max_pixels).samples(start, end), maxlen=1):
            return Thumbnail(float(sample.seconds), encode_thumbnail(sample.image, long_side))
    return _latest(source, at, long_side, max_pixels)


def _latest(source: Source, seconds: Fraction, long_side: int, max_pixels: int) -> Thumbnail:
    """The last intact frame that begins until `seconds`, or the first one, of all frames from the start."""
    with open_joined(source, max_pixels=max_pixels) as media:
        to_rgb = RgbConverter(media.crop)
        assert media.video.time_base is not None
        first_pts: int | None = None
        last: tuple[VideoFrame, Fraction] | None = None
        for frame, pts, _ in FullDecode(media, PacketReader(media)).frames():
            first_pts = pts if first_pts is None else first_pts
            after = (pts - first_pts) * media.video.time_base
            if after > seconds:
                break
            to_rgb.follow(frame)
            last = frame, after
        if last is None:
            raise no_frame_error(media, max_pixels)
        return Thumbnail(float(last[1]), encode_thumbnail(to_rgb(last[0]), long_side))


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
