"""The stage that every video goes through first: its length and the size of its frames, by its header.

A video that is too long for the service, and one that cannot be opened, costs nothing more than this.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cluster.engines.stage import NetworklessStage
from extractors.segments import Segment
from extractors.video.grid import as_fps
from extractors.video.media import Source
from extractors.video.probe import probe
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video


@dataclass(frozen=True)
class VideoLength:
    """Length in seconds, the size of the coded frames, and the codec by FFmpeg's name."""

    seconds: float
    width: int
    height: int
    codec: str


@dataclass(frozen=True)
class LengthStage(NetworklessStage):
    """Refuses frames of more than `max_pixels`, and videos of more than `max_seconds`."""

    max_pixels: int
    max_seconds: float

    @property
    def result_type(self) -> type[VideoLength]:
        """Of what it says of a video."""
        return VideoLength

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[VideoLength, list[Segment]]:
        """The length of the whole video. Raises `VideoError` for one that cannot be opened, or is too long."""
        info = probe(source, max_pixels=self.max_pixels)
        seconds = float(info.duration_seconds)
        if seconds > self.max_seconds:
            raise VideoError(
                FailureCode.TOO_LONG, f"it lasts {seconds:,.0f} s; this service takes {self.max_seconds:,.0f} s at most"
            )
        return VideoLength(seconds, info.width, info.height, info.codec), []


def grid_points(max_seconds: float, fps: str) -> int:
    """Of the longest video that is taken, and of the fraction of a second that headers may be off by."""
    return int((Fraction(max_seconds).limit_denominator(1000) + 1) * as_fps(fps)) + 1
