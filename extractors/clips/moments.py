"""Arbitrary points in time to sample, the frames of clips: the counterpart of the regular `extractors.video.grid`.

In: timestamps in ticks. Out: `Moments`, the `Points` that the selective decoder samples.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from extractors.video.media import Media
from extractors.video.packets import PacketReader


@dataclass(frozen=True)
class Moments:
    """The moments `timestamps`, in ticks, unique and in order.

    tick    seconds per timestamp unit
    origin  timestamp of the first frame, in ticks
    """

    tick: Fraction
    origin: int
    timestamps: Sequence[int]
    first: int = 0

    def points(self, start_pts: int, end_pts: int) -> range:
        """The moments of a frame that is on screen from `start_pts` to `end_pts` (exclusive)."""
        return range(bisect_left(self.timestamps, start_pts), bisect_left(self.timestamps, end_pts))

    def sampled(self, timestamps: Sequence[int]) -> Iterator[tuple[int, range]]:
        """Those of several consecutive frames that have moments: (position of the frame, its moments), in order.

        `timestamps` are the presentation times of the frames, in order, and the end time of the last one.
        """
        if not self.points(timestamps[0], timestamps[-1]):
            return
        for position, (start, end) in enumerate(pairwise(timestamps)):
            if points := self.points(start, end):
                yield position, points

    def seconds(self, index: int) -> Fraction:
        """The time of moment `index` in seconds after the first frame."""
        return (self.timestamps[index] - self.origin) * self.tick

    def pts(self, index: int) -> int:
        """The time of moment `index` in ticks."""
        return self.timestamps[index]

    def is_over(self, pts: int) -> bool:
        """Whether every moment lies before `pts`."""
        return self.timestamps[-1] < pts


@dataclass(frozen=True)
class MomentsRequest:
    """The frames at `timestamps`, without audio; `end_pts` is the end of the video by its header, if declared."""

    timestamps: Sequence[int]
    end_pts: int | None
    waveform: None = None

    def place(self, media: Media, origin: int) -> Moments:
        """The moments of a video whose first frame has the timestamp `origin`."""
        assert media.video.time_base is not None
        return Moments(media.video.time_base, origin, self.timestamps)

    def declared_end_pts(self, media: Media) -> int | None:
        """The end of the video track by the file's header, in ticks."""
        return self.end_pts

    def finish(
        self, points: Moments, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int
    ) -> None:
        """Do nothing: the pass has no other results."""
