"""Samples of a video, and the requests for them.

A decoder places the points of a `SamplingRequest` once it knows the timestamp of the first frame, and yields a `Sample`
for each point. Requests are grids (`GridRequest`) or single moments (`extractors.clips.moments.MomentsRequest`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from extractors.video.coverage import DeclaredEnd, Extent
from extractors.video.grid import Grid
from extractors.video.media import Media
from extractors.video.packets import PacketReader
from extractors.video.waveform import Waveform


@dataclass(frozen=True, slots=True)
class Sample:
    """The frame on screen at one grid point.

    index    k, counted from the first frame of the video
    seconds  k / fps
    pts      timestamp of the frame, in ticks
    image    uint8 (H, W, 3) RGB; the same object at all points with the same frame
    """

    index: int
    seconds: Fraction
    pts: int
    image: NDArray[np.uint8]


class Points(Protocol):
    """The points in time to sample, in order: a `Grid`, or `extractors.clips.moments.Moments`."""

    @property
    def origin(self) -> int:
        """Timestamp of the first frame, in ticks."""

    @property
    def first(self) -> int:
        """Index of the first point."""

    def points(self, start_pts: int, end_pts: int) -> range:
        """The points of a frame that is on screen from `start_pts` to `end_pts` (exclusive)."""

    def sampled(self, timestamps: Sequence[int]) -> Iterator[tuple[int, range]]:
        """Those of several consecutive frames that have points: (position of the frame, its points), in order.

        `timestamps` are the presentation times of the frames, in order, and the end time of the last one.
        """

    def seconds(self, index: int) -> Fraction:
        """The time of a point in seconds after the first frame."""

    def pts(self, index: int) -> int:
        """The time of a point in ticks, rounded down."""

    def is_over(self, pts: int) -> bool:
        """Whether every point lies before `pts`."""


P = TypeVar("P", bound=Points)


class SamplingRequest(Protocol[P]):
    """The points to sample in one pass over a video, and the receivers of its other results."""

    @property
    def waveform(self) -> Waveform | None:
        """Receives the audio packets of the pass."""

    def place(self, media: Media, origin: int) -> P:
        """The points for a video whose first frame has the timestamp `origin`."""

    def declared_end_pts(self, media: Media) -> int | None:
        """The end of the video track by the file's header, in ticks."""

    def finish(self, points: P, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int) -> None:
        """Complete the receivers after the last sample. The arguments are those of `Extent.finish`."""


@dataclass(frozen=True)
class GridRequest:
    """The grid points `first <= k < stop` of a video; the pass completes `waveform` and `extent` as well."""

    fps: Fraction
    first: int
    stop: int | None
    waveform: Waveform | None
    extent: Extent
    declared_end: DeclaredEnd | None
    max_pixels: int

    def place(self, media: Media, origin: int) -> Grid:
        """The grid of a video whose first frame has the timestamp `origin`."""
        assert media.video.time_base is not None
        grid = Grid(self.fps, media.video.time_base, origin, self.first, self.stop)
        if self.waveform is not None:
            self.waveform.place(grid)
        return grid

    def declared_end_pts(self, media: Media) -> int | None:
        """The end of the video track by the file's header, in ticks."""
        assert media.video.time_base is not None
        return None if self.declared_end is None else math.ceil(self.declared_end.end_seconds / media.video.time_base)

    def finish(self, points: Grid, packets: PacketReader, *, is_exhausted: bool, end_pts: int, head_pts: int) -> None:
        """Read the rest of the audio, then complete the extent."""
        if self.waveform is not None:
            self.waveform.finish(packets)
        self.extent.finish(
            points,
            is_exhausted=is_exhausted,
            end_pts=end_pts,
            head_pts=head_pts,
            audio_end_seconds=packets.audio_end_seconds,
            is_spliced=packets.is_spliced,
            declared_end=self.declared_end,
        )
