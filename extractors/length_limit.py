"""How long a video may be, in points of the grid that it is sampled on: what a header claims costs no work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from extractors.video.grid import index_range
from extractors.video.media import Media
from extractors.video.probe import header_duration
from extractors.video.samples import Sample
from extractors.video.seek import can_seek
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video

GIVE_PARTS = "give parts of it: start_seconds and end_seconds in the manifest"
MAX_GRID_POINTS = 30 * 24 * 3600  # 30 days at 1 frame a second, a day at 30


@dataclass(frozen=True)
class LengthLimit:
    """At most `points` grid points, `fps` a second; `advice` is what to do about an honest video that is longer."""

    points: int
    fps: Fraction
    advice: str

    def check(self, points: int) -> None:
        """Raise `VideoError` for a video of so many grid points if they are too many."""
        if points > self.points:
            raise VideoError(
                FailureCode.TOO_LONG,
                f"it lasts {math.floor(points / self.fps):,} s or more, {points:,} frames at {float(self.fps):g} a "
                f"second; the limit is {self.points:,} frames. If the length is real, {self.advice}",
            )

    def header_duration(self, media: Media, video: Video) -> Fraction | None:
        """The seconds that the index of a file claims; None where it has none.

        Raises:
            VideoError: if `video`, all of it or its part, is too long by that.
        """
        duration = header_duration(media) if can_seek(media) else None
        if duration is not None:
            stop = duration if video.end_seconds is None else min(duration, Fraction(video.end_seconds))
            self.check(math.ceil((stop - video.start_seconds) * self.fps))
        return duration

    def within(self, samples: Iterable[Sample], video: Video) -> Iterator[Sample]:
        """The samples of a video, or of its part. Raises `VideoError` at the first one beyond the limit."""
        first, _ = index_range(self.fps, Fraction(video.start_seconds), None)
        for sample in samples:
            self.check(sample.index - first + 1)
            yield sample
