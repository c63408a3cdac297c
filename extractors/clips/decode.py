"""Video → clips, as a clip classifier looks at them.

In: a path or a seekable binary file object. Out: uint8 (V, T, H, W, 3) RGB, upright; V is views x crops, the crops of a
view next to each other. Dimensions: V clips, T frames, H height, W width.

Frames are chosen by when they are on screen (`extractors.clips.sampling` says where), never by an index times a rate;
clips that have no rate of their own take the video's frames in order. Only what that takes is decoded: reading starts
at the group of pictures that holds the clip where the container has an index, and goes there by reading where not; the
pictures in between are passed over (`extractors.video.selective_decode`). Frames are those of a full decode, to the
bit.

Where timestamps or syntax leave any doubt, such as in a damaged file, the video is decoded whole, twice: once to know
which frames there are, and once for those that are wanted. A moment whose picture is lost or damaged then gets the
nearest frame that is intact.
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

from extractors.clips.frame_times import FrameTimes, ListedTimes, frame_times, rounding_ticks
from extractors.clips.moments import WantedMoments
from extractors.clips.picture import corners, resized
from extractors.clips.sampling import ClipSampling
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import promised_end
from extractors.video.full_decode import FullDecode, nothing_decoded
from extractors.video.grid import as_fps
from extractors.video.image import RgbConverter
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.packets import PacketReader
from extractors.video.samples import Sample
from extractors.video.seek import can_seek
from extractors.video.selective_decode import SelectiveDecode
from schemas.clips import ClipFormat

logger = logging.getLogger(__name__)

NEARBY_SECONDS = 10  # reading on so far is no worse than seeking
Seconds = int | float | Fraction
Pictures = dict[int, NDArray[np.uint8]]  # the resized frames by their moments


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

    seed       of random placements and crops: the same gives the same clips
    selective  False decodes every frame, to the same clips

    Raises:
        VideoError: for a file that has no frame to show, or that cannot be read as a video.
        ValueError: for a format that asks for other than RGB.
    """
    if clip_format.channels != 3:
        raise ValueError(
            f"clips of {clip_format.channels} channels cannot be decoded from a video: it gives 3 (RGB); "
            "optical flow has to be computed"
        )
    end = None if end_seconds is None else Fraction(end_seconds)
    wish = ClipRequest(clip_format, sampling, seed, Fraction(start_seconds), end)
    if selective:
        try:
            return wish.clips(*_selectively(source, wish, max_pixels))
        except (UnsureStructureError, av.error.FFmpegError, IndexError, OverflowError) as doubt:
            logger.debug("decoding every frame: %s", doubt)
    return wish.clips(*_whole(source, wish, max_pixels))


@dataclass(frozen=True)
class ClipRequest:
    """Clips of one video, in seconds after its first frame."""

    clip_format: ClipFormat
    sampling: ClipSampling
    seed: int
    start_seconds: Fraction
    end_seconds: Fraction | None

    def moments(self, times: FrameTimes, tick: Fraction) -> list[list[int]]:
        """When the frames (views, T) are on screen, in ticks."""
        sampling, frames = self.sampling, self.clip_format.frames
        rng = np.random.default_rng([self.seed, 0])
        rounding = rounding_ticks(tick)
        # A part that the video does not have is its last frame.
        last_ticks = Fraction(times.end_pts - times.origin - 1)
        start_ticks = min((self.start_seconds + Fraction(sampling.start_seconds)) / tick, last_ticks)
        stop = times.end_pts if self.end_seconds is None else times.origin + ceil(self.end_seconds / tick)
        stop = max(min(stop, times.end_pts), times.origin + floor(start_ticks) + 1)
        if self.clip_format.fps is None and sampling.placement != "equal":
            start_pts = times.origin + (floor(start_ticks + rounding) if start_ticks else 0)
            stretch = times.stretch(start_pts, stop)
            return [stretch.stamps(view) for view in sampling.positions(frames, stretch.count, rng)]
        rate = as_fps(self.clip_format.fps or 1)  # of equal distances, any
        length = (stop - times.origin - start_ticks) * tick * rate
        first = start_ticks + rounding
        return [
            [min(times.origin + floor(first + position / rate / tick), stop - 1) for position in view]
            for view in sampling.positions(frames, length, rng)
        ]

    def clips(self, moments: list[list[int]], pictures: Pictures) -> NDArray[np.uint8]:
        """The parts that are seen of the frames at `moments`."""
        sampling, height, width = self.sampling, self.clip_format.height, self.clip_format.width
        places = np.random.default_rng([self.seed, 1]).random((len(moments), 2)).tolist()
        clips = np.empty((len(moments), sampling.crops, self.clip_format.frames, height, width, 3), np.uint8)
        for view, stamps in enumerate(moments):
            place = places[view] if sampling.random_crop else None
            for number, stamp in enumerate(stamps):
                image = pictures[stamp]  # a video may change its size
                for crop, (top, left) in enumerate(corners(image, height, width, crops=sampling.crops, place=place)):
                    clips[view, crop, number] = image[top : top + height, left : left + width]
        return clips.reshape(-1, *clips.shape[2:])


def _selectively(source: Source, wish: ClipRequest, max_pixels: int) -> tuple[list[list[int]], Pictures]:
    pictures = _Pictures(wish.clip_format)
    with open_media(source, max_pixels=max_pixels) as media:
        assert media.video.time_base is not None
        times = frame_times(media, source)
        moments = wish.moments(times, media.video.time_base)
        wanted = sorted({stamp for view in moments for stamp in view})
        promised_pts = _promised_pts(media, source)
        is_reached = can_seek(media)
        if is_reached:
            for run in _runs(wanted, media.video.time_base):
                decode = SelectiveDecode(media, WantedMoments(run, promised_pts), origin=times.origin)
                pictures.take(run, decode.samples())
    if not is_reached:
        _rewind(source)
        with open_media(source, max_pixels=max_pixels) as media:
            decode = SelectiveDecode(media, WantedMoments(tuple(wanted), promised_pts))
            pictures.take(wanted, decode.samples())
    if len(pictures.found) < len(wanted):
        raise UnsureStructureError("frames are missing")
    return moments, pictures.found


def _whole(source: Source, wish: ClipRequest, max_pixels: int) -> tuple[list[list[int]], Pictures]:
    _rewind(source)
    with open_media(source, max_pixels=max_pixels) as media:
        assert media.video.time_base is not None
        decode = FullDecode(media, PacketReader(media), _promised_pts(media, source))
        spans = [(pts, end_pts) for _, pts, end_pts in decode.frames()]
        if not spans:
            raise nothing_decoded(media, max_pixels)
        frames = [pts for pts, _ in spans]
        times = ListedTimes(frames, max(decode.end_pts, spans[-1][1]))
        moments = wish.moments(times, media.video.time_base)
    shown = {stamp: _nearest(stamp, frames, spans) for view in moments for stamp in view}
    wanted = set(shown.values())
    pictures = _Pictures(wish.clip_format)
    to_rgb = RgbConverter()
    _rewind(source)
    with open_media(source, max_pixels=max_pixels) as media:
        for frame, pts, _ in FullDecode(media, PacketReader(media), _promised_pts(media, source)).frames():
            if pts in wanted:
                pictures.add(pts, to_rgb(frame))
            if len(pictures.found) == len(wanted):
                break
    return [[shown[stamp] for stamp in view] for view in moments], pictures.found


class _Pictures:
    """Resized frames, each resized once."""

    def __init__(self, clip_format: ClipFormat) -> None:
        self.found: Pictures = {}
        self._resize = clip_format.resize
        self._latest: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def add(self, stamp: int, image: NDArray[np.uint8]) -> None:
        if self._latest is None or self._latest[0] is not image:
            self._latest = image, resized(image, self._resize)
        self.found[stamp] = self._latest[1]

    def take(self, stamps: Sequence[int], samples: Iterable[Sample]) -> None:
        for sample in samples:
            self.add(stamps[sample.index], sample.image)


def _runs(wanted: Sequence[int], tick: Fraction) -> Iterator[tuple[int, ...]]:
    """The moments, cut where seeking is better than reading on."""
    cuts = [number for number, (one, other) in enumerate(pairwise(wanted), 1) if (other - one) * tick > NEARBY_SECONDS]
    return (tuple(wanted[first:stop]) for first, stop in pairwise([0, *cuts, len(wanted)]))


def _nearest(stamp: int, frames: Sequence[int], spans: Sequence[tuple[int, int]]) -> int:
    """The frame that is on screen at `stamp`, or else the intact one that is nearest to it in time."""
    number = bisect_right(frames, stamp) - 1
    if number < 0:
        return frames[0]
    beyond = stamp - spans[number][1]
    if beyond >= 0 and number + 1 < len(frames) and frames[number + 1] - stamp < beyond:
        return frames[number + 1]
    return frames[number]


def _promised_pts(media: Media, source: Source) -> int | None:
    assert media.video.time_base is not None
    promise = promised_end(media, source)
    return None if promise is None else ceil(promise.end_seconds / media.video.time_base)


def _rewind(source: Source) -> None:
    if hasattr(source, "seek"):
        source.seek(0)
