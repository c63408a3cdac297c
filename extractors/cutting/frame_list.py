"""The frames of a video by their numbers: the timestamps of all of them, in the order of presentation.

In: a path or a seekable binary file object. Out: `FrameList`. Packets alone are read; where their timestamps or syntax
are ambiguous, as in a damaged or spliced file, every frame is decoded, and `is_sure` is False: frames that cannot be
decoded have no number then.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av

from extractors.clips.frame_times import list_times
from extractors.clips.passes import UNSURE, DecodedTimes, decoded_times
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.frame_rate import frame_rate
from extractors.video.joined import has_unread_part, open_joined
from extractors.video.media import MAX_PIXELS, Media, ReadsAhead, Source, open_media

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrameList:
    """The frames of a video.

    tick           seconds per unit of the timestamps
    timestamps     of all frames, ascending, in ticks
    end_pts        the end of the last frame
    clock_seconds  the time of the first frame on the clock that players show, which starts with the earliest stream
    rate           frames per second, as the container states it or on average
    is_sure        whether the list is that of the packets, of which none is missing
    gaps           how many times the picture is missing between two frames, since frames could not be decoded
    """

    tick: Fraction
    timestamps: Sequence[int]
    end_pts: int
    clock_seconds: Fraction
    rate: Fraction
    is_sure: bool
    gaps: int

    def __len__(self) -> int:
        return len(self.timestamps)

    @property
    def origin(self) -> int:
        """Timestamp of the first frame, in ticks."""
        return self.timestamps[0]

    @property
    def duration_seconds(self) -> Fraction:
        """From the first frame to the end of the last one."""
        return self.seconds_of(self.end_pts)

    def seconds_of(self, pts: int) -> Fraction:
        """Seconds after the first frame."""
        return (pts - self.origin) * self.tick

    def pts_of(self, number: int) -> int:
        """The timestamp of frame `number`; for the number after the last one, the end of the video."""
        return self.end_pts if number == len(self.timestamps) else self.timestamps[number]

    def first_from(self, seconds: Fraction) -> int:
        """The number of the first frame that begins at `seconds` after the first frame, or later."""
        return bisect_left(self.timestamps, self.origin + seconds / self.tick)

    def between(self, start_pts: int, end_pts: int) -> Sequence[int]:
        """The timestamps of the frames that begin in [`start_pts`, `end_pts`)."""
        return self.timestamps[bisect_left(self.timestamps, start_pts) : bisect_left(self.timestamps, end_pts)]


def list_frames(source: Source, *, max_pixels: int = MAX_PIXELS) -> FrameList:
    """The frames of `source`; raises `VideoError` for a file that cannot be read, or without a decodable frame."""
    try:
        with open_media(source, max_pixels=max_pixels) as media:
            if isinstance(source, ReadsAhead):
                source.expect_all()
            listed = list_times(media)
            if has_unread_part(media, source, listed.end_byte):
                raise UnsureStructureError("a further file follows")
            return _frame_list(media, listed.frames, listed.end_pts, is_sure=True, gaps=0)
    except UNSURE as error:
        logger.debug("decoding every frame: %s", error)
    with open_joined(source, max_pixels=max_pixels) as media:
        times = decoded_times(media, source, max_pixels)
        return _frame_list(media, times.frames, times.end_pts, is_sure=False, gaps=_gaps(times))


def _frame_list(media: Media, timestamps: Sequence[int], end_pts: int, *, is_sure: bool, gaps: int) -> FrameList:
    tick = media.video.time_base
    assert tick is not None
    start = max(Fraction(media.container.start_time or 0, av.time_base), Fraction(0))
    average = len(timestamps) / ((end_pts - timestamps[0]) * tick)
    return FrameList(
        tick=tick,
        timestamps=timestamps,
        end_pts=end_pts,
        clock_seconds=max(timestamps[0] * tick - start, Fraction(0)),
        rate=frame_rate(media) or average,
        is_sure=is_sure,
        gaps=gaps,
    )


def _gaps(times: DecodedTimes) -> int:
    return sum(end < following for end, following in zip(times.ends, times.frames[1:], strict=False))
