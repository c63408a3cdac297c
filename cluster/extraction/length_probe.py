"""The stage of a dry run: how long and how large videos are, by their headers. Nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.engines.stage import NetworklessStage
from extractors.segments import Segment
from extractors.video.media import Source
from extractors.video.probe import probe
from schemas.videos import Video


@dataclass(frozen=True)
class Length:
    """What a header says: the length of the wanted part of a video, and the size of the file."""

    seconds: float
    size_bytes: int


@dataclass(frozen=True)
class LengthProbe(NetworklessStage):
    """Reads headers; `max_pixels` is the largest frame that would be decoded."""

    max_pixels: int

    @property
    def result_type(self) -> type[Length]:
        """Of what it says of a video."""
        return Length

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Length, list[Segment]]:
        """The length of the whole video: it has no segments."""
        info = probe(source, max_pixels=self.max_pixels)
        end = min(float(info.duration_seconds), video.end_seconds or float("inf"))
        return Length(max(float(end - video.start_seconds), 0.0), info.size_bytes), []
