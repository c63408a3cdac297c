"""Decoding of clips for clip classifiers.

In: a path or a seekable binary file object, the clip's format and its sampling. Out: uint8 (V, T, H, W, 3) RGB,
upright; V is views x crops, with the crops of a view adjacent. Dimensions: V clips, T frames, H height, W width.

Frames are chosen by their time on screen (`extractors.clips.sampling`), never by an index times a frame rate; clips
without a frame rate of their own take consecutive frames of the video. Only the necessary packets are decoded, to the
same bits as in a full decode (`extractors.video.selective_decode`): reading starts at the group of pictures that holds
the clip, or at the start of the file if the container has no index.

Where timestamps or syntax are ambiguous, such as in a damaged file, every frame is decoded, twice: once to list the
frames, and once for those of the clips. A moment whose frame is lost or damaged then gets the nearest intact frame.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import av.error
import numpy as np
from numpy.typing import NDArray

from extractors.clips.crops import crop_corners, resized
from extractors.clips.frame_times import FrameTimes, ListedTimes, frame_times, rounding_ticks
from extractors.clips.moments import MomentsRequest
from extractors.clips.sampling import ClipSampling
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import declared_end
from extractors.video.full_decode import FullDecode, no_frame_error
from extractors.video.grid import as_fps
from extractors.video.image import RgbConverter
from extractors.video.joined import open_joined
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.packets import PacketReader
from extractors.video.samples import Sample
from extractors.video.seek import can_seek
from extractors.video.selective_decode import SelectiveDecode
from schemas.clips import ClipFormat

logger = logging.getLogger(__name__)

NEARBY_SECONDS = 10  # up to this distance, reading on costs no more than seeking
Seconds = int | float | Fraction
Frames = dict[int, NDArray[np.uint8]]  # resized frames by their timestamps


def decode_clips(
    source: Source,
    clip_format: ClipFormat,
    sampling: ClipSampling,
    *,
    seed: int = 0,
    start_seconds: Seconds = 0,
    end_seconds: Seconds | None = None,
    selective: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """The clips (V, T, H, W, 3) of the part of `source` between `start_seconds` and `end_seconds`.

    seed       of random placements and crops: the same seed gives the same clips
    selective  False decodes every frame, to the same clips

    Raises:
        VideoError: for a file that cannot be read as a video, or without a decodable frame.
        ValueError: for a format whose clips are not RGB.
    """
    if clip_format.channels != 3:
        raise ValueError(
            f"clips of {clip_format.channels} channels cannot be decoded from a video, which gives 3 (RGB); "
            "compute optical flow beforehand"
        )
    end = None if end_seconds is None else Fraction(end_seconds)
    request = ClipRequest(clip_format, sampling, seed, Fraction(start_seconds), end)
    if selective:
        try:
            return request.clips(*_decode_selectively(source, request, max_pixels))
        except (UnsureStructureError, av.error.FFmpegError, IndexError, OverflowError) as error:
            logger.debug("decoding every frame: %s", error)
    return request.clips(*_decode_all(source, request, max_pixels))


@dataclass(frozen=True)
class ClipRequest:
    """The clips to take from the part of one video between `start_seconds` and `end_seconds`."""

    clip_format: ClipFormat
    sampling: ClipSampling
    seed: int
    start_seconds: Fraction
    end_seconds: Fraction | None

    def moments(self, times: FrameTimes, tick: Fraction) -> list[list[int]]:
        """The timestamps (views, T) of the frames, in ticks."""
        sampling, frames = self.sampling, self.clip_format.frames
        rng = np.random.default_rng([self.seed, 0])
        rounding = rounding_ticks(tick)
        # A part after the end of the video is replaced by the last frame.
        last_ticks = Fraction(times.end_pts - times.origin - 1)
        start_ticks = min((self.start_seconds + Fraction(sampling.start_seconds)) / tick, last_ticks)
        stop = times.end_pts if self.end_seconds is None else times.origin + ceil(self.end_seconds / tick)
        stop = max(min(stop, times.end_pts), times.origin + floor(start_ticks) + 1)
        if self.clip_format.fps is None and sampling.placement != "equal":
            start_pts = times.origin + (floor(start_ticks + rounding) if start_ticks else 0)
            sequence = times.sequence(start_pts, stop)
            return [sequence.timestamps(view) for view in sampling.positions(frames, sequence.count, rng)]
        rate = as_fps(self.clip_format.fps or 1)  # equal distances do not depend on the rate
        length = (stop - times.origin - start_ticks) * tick * rate
        first = start_ticks + rounding
        return [
            [min(times.origin + floor(first + position / rate / tick), stop - 1) for position in view]
            for view in sampling.positions(frames, length, rng)
        ]

    def clips(self, moments: list[list[int]], frames: Frames) -> NDArray[np.uint8]:
        """The clips (V, T, H, W, 3), cropped from the resized `frames` at `moments`."""
        sampling, height, width = self.sampling, self.clip_format.height, self.clip_format.width
        positions = np.random.default_rng([self.seed, 1]).random((len(moments), 2)).tolist()
        clips = np.empty((len(moments), sampling.crops, self.clip_format.frames, height, width, 3), np.uint8)
        for view, timestamps in enumerate(moments):
            position = positions[view] if sampling.random_crop else None
            for number, pts in enumerate(timestamps):
                image = frames[pts]  # its size may change within a video
                corners = crop_corners(image, height, width, crops=sampling.crops, position=position)
                for crop, (top, left) in enumerate(corners):
                    clips[view, crop, number] = image[top : top + height, left : left + width]
        return clips.reshape(-1, *clips.shape[2:])


def _decode_selectively(source: Source, request: ClipRequest, max_pixels: int) -> tuple[list[list[int]], Frames]:
    resized_frames = _ResizedFrames(request.clip_format)
    with open_media(source, max_pixels=max_pixels) as media:
        assert media.video.time_base is not None
        times = frame_times(media, source)
        moments = request.moments(times, media.video.time_base)
        requested = sorted({pts for view in moments for pts in view})
        declared_end_pts = _declared_end_pts(media, source)
        has_index = can_seek(media)
        if has_index:
            for run in _runs(requested, media.video.time_base):
                decode = SelectiveDecode(media, MomentsRequest(run, declared_end_pts), origin=times.origin)
                resized_frames.add_samples(run, decode.samples())
    if not has_index:
        _rewind(source)
        with open_media(source, max_pixels=max_pixels) as media:
            decode = SelectiveDecode(media, MomentsRequest(tuple(requested), declared_end_pts))
            resized_frames.add_samples(requested, decode.samples())
    if len(resized_frames.by_pts) < len(requested):
        raise UnsureStructureError("requested frames are missing")
    return moments, resized_frames.by_pts


def _decode_all(source: Source, request: ClipRequest, max_pixels: int) -> tuple[list[list[int]], Frames]:
    with open_joined(source, max_pixels=max_pixels) as media:
        assert media.video.time_base is not None
        decode = _full_decode(media, source)
        spans = [(pts, end_pts) for _, pts, end_pts in decode.frames()]
        if not spans:
            raise no_frame_error(media, max_pixels)
        frames = [pts for pts, _ in spans]
        times = ListedTimes(frames, max(decode.end_pts, spans[-1][1]))
        moments = request.moments(times, media.video.time_base)
    nearest = {pts: _nearest(pts, frames, spans) for view in moments for pts in view}
    requested = set(nearest.values())
    resized_frames = _ResizedFrames(request.clip_format)
    with open_joined(source, max_pixels=max_pixels) as media:
        to_rgb = RgbConverter(media.crop)
        for frame, pts, _ in _full_decode(media, source).frames():
            to_rgb.follow(frame)
            if pts in requested:
                resized_frames.add(pts, to_rgb(frame))
            if len(resized_frames.by_pts) == len(requested):
                break
    return [[nearest[pts] for pts in view] for view in moments], resized_frames.by_pts


def _full_decode(media: Media, source: Source) -> FullDecode:
    declared_end_pts = _declared_end_pts(media, source)
    return FullDecode(media, PacketReader(media, declared_end_pts=declared_end_pts), declared_end_pts)


class _ResizedFrames:
    """Resized frames by timestamp; a frame with several timestamps is resized once."""

    def __init__(self, clip_format: ClipFormat) -> None:
        self.by_pts: Frames = {}
        self._resize = clip_format.resize
        self._latest: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def add(self, pts: int, image: NDArray[np.uint8]) -> None:
        if self._latest is None or self._latest[0] is not image:
            self._latest = image, resized(image, self._resize)
        self.by_pts[pts] = self._latest[1]

    def add_samples(self, timestamps: Sequence[int], samples: Iterable[Sample]) -> None:
        for sample in samples:
            self.add(timestamps[sample.index], sample.image)


def _runs(timestamps: Sequence[int], tick: Fraction) -> Iterator[tuple[int, ...]]:
    """Split `timestamps` where seeking is cheaper than reading on."""
    distances = [later - earlier for earlier, later in pairwise(timestamps)]
    cuts = [number for number, distance in enumerate(distances, 1) if distance * tick > NEARBY_SECONDS]
    return (tuple(timestamps[first:stop]) for first, stop in pairwise([0, *cuts, len(timestamps)]))


def _nearest(pts: int, frames: Sequence[int], spans: Sequence[tuple[int, int]]) -> int:
    """The intact frame on screen at `pts`, or else the nearest one in time."""
    number = bisect_right(frames, pts) - 1
    if number < 0:
        return frames[0]
    distance = pts - spans[number][1]
    if distance >= 0 and number + 1 < len(frames) and frames[number + 1] - pts < distance:
        return frames[number + 1]
    return frames[number]


def _declared_end_pts(media: Media, source: Source) -> int | None:
    assert media.video.time_base is not None
    declared = declared_end(media, source)
    return None if declared is None else ceil(declared.end_seconds / media.video.time_base)


def _rewind(source: Source) -> None:
    if hasattr(source, "seek"):
        source.seek(0)
