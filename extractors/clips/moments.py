"""Points in time at which frames are wanted, anywhere in a video: what clips are made of, beside the regular `Grid`."""

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
    """The moments `stamps`, in ticks of the stream, each once and in order.

    tick    seconds a timestamp unit lasts
    origin  timestamp of the first frame
    """

    tick: Fraction
    origin: int
    stamps: tuple[int, ...]
    first: int = 0

    def points(self, start_pts: int, end_pts: int) -> range:
        """The moments at which a frame is seen that is on screen from `start_pts` until `end_pts` (exclusive)."""
        return range(bisect_left(self.stamps, start_pts), bisect_left(self.stamps, end_pts))

    def seen(self, stamps: Sequence[int]) -> Iterator[tuple[int, range]]:
        """See `Grid.seen`."""
        if not self.points(stamps[0], stamps[-1]):
            return
        for position, (start, end) in enumerate(pairwise(stamps)):
            if points := self.points(start, end):
                yield position, points

    def seconds(self, index: int) -> Fraction:
        """Where moment `index` lies, in seconds after the first frame."""
        return (self.stamps[index] - self.origin) * self.tick

    def pts(self, index: int) -> int:
        """Moment `index`, in ticks."""
        return self.stamps[index]

    def is_over(self, pts: int) -> bool:
        """Whether every moment lies before `pts`."""
        return self.stamps[-1] < pts


@dataclass(frozen=True)
class WantedMoments:
    """Frames at `stamps`, and nothing else; `end_pts` is when the pictures end by the header, if it says so."""

    stamps: tuple[int, ...]
    end_pts: int | None
    sound: None = None

    def place(self, media: Media, origin: int) -> Moments:
        """The moments of a video whose first frame has the timestamp `origin`."""
        assert media.video.time_base is not None
        return Moments(media.video.time_base, origin, self.stamps)

    def promised_pts(self, media: Media) -> int | None:
        """See `GridRequest.promised_pts`."""
        return self.end_pts

    def finish(self, grid: Moments, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int) -> None:
        """Nobody else learns from the pass."""
