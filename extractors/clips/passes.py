"""Passes over a video that decode the frames of clips; a clip leaves as soon as its frames are there.

In: a path or a seekable binary file object, and the choice of the frames. Out: (number of the clip, uint8 (crops, T, H,
W, C)), in the order of their last frames. A frame is kept, resized, as long as a later clip needs it: memory is that of
the clips that overlap, whatever their number.

`selective_clips` decodes the necessary packets alone, to the same bits as a full decode
(`extractors.video.selective_decode`). Reading starts at the group of pictures that holds a clip, or at the start of the
file if the container has no index: such a file is read once for its timestamps and once for all clips.

`fully_decoded_clips` decodes every frame, twice: once to list the frames, and once for those of the clips. A moment
whose frame is lost or damaged then gets the nearest intact frame.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil
from typing import Protocol

import av.error
import numpy as np
from numpy.typing import NDArray

from extractors.clips.frame_times import FrameTimes, ListedTimes, frame_times
from extractors.clips.moments import MomentsRequest
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import declared_end
from extractors.video.full_decode import FullDecode, no_frame_error
from extractors.video.image import RgbConverter
from extractors.video.joined import has_unread_part, open_joined
from extractors.video.media import Media, Source, open_media
from extractors.video.packets import PacketReader, SoundSink
from extractors.video.samples import Sample
from extractors.video.seek import NEARBY_SECONDS, can_seek
from extractors.video.selective_decode import SelectiveDecode

# What ends a selective pass; every frame is to be decoded then.
UNSURE = (UnsureStructureError, av.error.FFmpegError, IndexError, OverflowError)

Image = NDArray[np.uint8]
Timestamps = Mapping[int, Sequence[int]]  # of the T frames of each clip, in ticks, by the number of the clip


class ClipChoice(Protocol):
    """The clips to take from a video."""

    def resized(self, image: Image) -> Image:
        """A frame in its size before it is cropped."""

    @property
    def reaches_end(self) -> bool:
        """Whether what follows the end of a file that joins several must not be missed."""

    def moments(self, times: FrameTimes, tick: Fraction) -> Timestamps:
        """The moments whose frames make the clips."""

    def clip(self, number: int, images: Sequence[Image]) -> Image:
        """The crops (crops, T, H, W, C) of the resized frames of a clip, in the order of its moments."""


def selective_clips(source: Source, choice: ClipChoice, max_pixels: int) -> Iterator[tuple[int, Image]]:
    """Decode what the clips need; raises `UnsureStructureError` as soon as they cannot be guaranteed."""
    _rewind(source)
    with open_media(source, max_pixels=max_pixels) as media:
        assert media.video.time_base is not None
        times = frame_times(media, source)
        if choice.reaches_end and has_unread_part(media, source, times.end_byte):
            raise UnsureStructureError("a further file follows")
        moments = choice.moments(times, media.video.time_base)
        if not moments:
            return
        clips = _Clips(choice, moments)
        end_pts = _declared_end_pts(media, source)
        has_index = can_seek(media)
        if has_index:
            for run in _runs(clips.requested, media.video.time_base):
                decode = SelectiveDecode(media, MomentsRequest(run, end_pts), origin=times.origin)
                yield from clips.completed_by(_requested(run, decode.samples()))
    if not has_index:
        _rewind(source)
        with open_media(source, max_pixels=max_pixels) as media:
            decode = SelectiveDecode(media, MomentsRequest(clips.requested, end_pts))
            yield from clips.completed_by(_requested(clips.requested, decode.samples()))


def fully_decoded_clips(
    source: Source, choice: ClipChoice, max_pixels: int, done: Container[int] = ()
) -> Iterator[tuple[int, Image]]:
    """Decode every frame up to the last clip's; clips whose numbers are `done` are left out."""
    with open_joined(source, max_pixels=max_pixels) as media:
        assert media.video.time_base is not None
        times = decoded_times(media, source, max_pixels)
        moments = choice.moments(times, media.video.time_base)
    nearest = {
        number: array("q", map(times.nearest, timestamps))
        for number, timestamps in moments.items()
        if number not in done
    }
    if not nearest:
        return
    clips = _Clips(choice, nearest)
    with open_joined(source, max_pixels=max_pixels) as media:
        yield from clips.completed_by(_intact_frames(media, source, clips.requested))


@dataclass(frozen=True)
class DecodedTimes(ListedTimes):
    """The timestamps of all intact frames; `ends` are the times until which they are on screen."""

    ends: Sequence[int] = ()

    def nearest(self, pts: int) -> int:
        """The intact frame on screen at `pts`, or else the nearest one in time."""
        number = bisect_right(self.frames, pts) - 1
        if number < 0:
            return self.frames[0]
        distance = pts - self.ends[number]
        if distance >= 0 and number + 1 < len(self.frames) and self.frames[number + 1] - pts < distance:
            return self.frames[number + 1]
        return self.frames[number]

    def shows(self, start_pts: int, end_pts: int) -> bool:
        """Whether an intact frame is on screen at some time between the two."""
        number = bisect_left(self.frames, end_pts) - 1
        return number >= 0 and self.ends[number] > start_pts


class _Clips:
    """Clips in work: their frames, from the arrival of each until no clip needs it any more."""

    def __init__(self, choice: ClipChoice, moments: Timestamps) -> None:
        self._choice = choice
        self._moments = moments
        # The timestamps of all frames, in order; of a long video there may be millions.
        self.requested = array("q", np.unique(np.concatenate(list(map(np.asarray, moments.values())))).tobytes())
        self._last = {number: max(timestamps) for number, timestamps in moments.items()}
        order = sorted(moments, key=lambda number: (self._last[number], number))
        self._pending = deque(order)
        # The earliest frame that a clip in this order or any after it needs.
        earliest = accumulate((min(moments[number]) for number in reversed(order)), min)
        self._needed = deque(reversed(list(earliest)))
        self._frames: dict[int, Image] = {}  # resized, in the order of their timestamps
        self._latest: tuple[Image, Image] | None = None

    def completed_by(self, frames: Iterable[tuple[int, Image]]) -> Iterator[tuple[int, Image]]:
        """The clips of which `frames`, pairs of timestamp and image in order, are the last that were missing."""
        for pts, image in frames:
            self._frames[pts] = self._resized(image)
            while self._pending and self._last[self._pending[0]] <= pts:
                number = self._pending.popleft()
                clip = self._choice.clip(number, [self._frames[moment] for moment in self._moments[number]])
                self._needed.popleft()
                self._drop_frames()
                yield number, clip
            if not self._pending:
                return  # what follows matters to no clip

    def _resized(self, image: Image) -> Image:
        """A frame with several timestamps is resized once."""
        if self._latest is None or self._latest[0] is not image:
            self._latest = image, self._choice.resized(image)
        return self._latest[1]

    def _drop_frames(self) -> None:
        first = self._needed[0] if self._needed else None
        while self._frames and (first is None or next(iter(self._frames)) < first):
            del self._frames[next(iter(self._frames))]


def _requested(timestamps: Sequence[int], samples: Iterable[Sample]) -> Iterator[tuple[int, Image]]:
    count = 0
    for sample in samples:
        if sample.index != count:
            break
        yield timestamps[count], sample.image
        count += 1
    if count < len(timestamps):
        raise UnsureStructureError("requested frames are missing")


def _runs(timestamps: array[int], tick: Fraction) -> Iterator[array[int]]:
    """Split `timestamps` where seeking is cheaper than reading on."""
    nearby = NEARBY_SECONDS / tick
    cuts = [number for number, pair in enumerate(pairwise(timestamps), 1) if pair[1] - pair[0] > nearby]
    return (timestamps[first:stop] for first, stop in pairwise([0, *cuts, len(timestamps)]))


def decoded_times(media: Media, source: Source, max_pixels: int) -> DecodedTimes:
    """The times of the intact frames of `media`, from a full decode. Raises `VideoError` where there is none."""
    decode = full_decode(media, source)
    frames, ends = array("q"), array("q")
    for _, pts, end_pts in decode.frames():
        frames.append(pts)
        ends.append(end_pts)
    if not frames:
        raise no_frame_error(media, max_pixels)
    return DecodedTimes(frames, max(decode.end_pts, ends[-1]), ends=ends)


def _intact_frames(media: Media, source: Source, timestamps: Iterable[int]) -> Iterator[tuple[int, Image]]:
    requested = set(timestamps)
    to_rgb = RgbConverter(media.crop)
    for frame, pts, _ in full_decode(media, source).frames():
        to_rgb.follow(frame)
        if pts in requested:
            yield pts, to_rgb(frame)


def full_decode(media: Media, source: Source, sound: SoundSink | None = None) -> FullDecode:
    """Decoding of every frame from the container's position on; `sound` is fed the audio packets in between."""
    end_pts = _declared_end_pts(media, source)
    return FullDecode(media, PacketReader(media, sound, declared_end_pts=end_pts), end_pts)


def _declared_end_pts(media: Media, source: Source) -> int | None:
    assert media.video.time_base is not None
    declared = declared_end(media, source)
    return None if declared is None else ceil(declared.end_seconds / media.video.time_base)


def _rewind(source: Source) -> None:
    if hasattr(source, "seek"):
        source.seek(0)
