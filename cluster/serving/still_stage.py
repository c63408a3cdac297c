"""The stage that makes single pictures of a video, for pages whose browser cannot play it.

In: a video whose `start_seconds` are the time that is wanted. Out: a `Thumbnail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from extractors.segments import Segment
from extractors.video.media import Source
from extractors.video.still import video_still
from extractors.video.thumbnail import Thumbnail
from schemas.videos import Video

LONG_SIDE = 960


@dataclass(frozen=True)
class StillStage:
    """Refuses frames of more than `max_pixels`."""

    max_pixels: int

    @property
    def result_type(self) -> type[Thumbnail]:
        """Of a picture."""
        return Thumbnail

    @property
    def networks(self) -> dict[str, Any]:
        """None."""
        return {}

    def with_networks(self, networks: Mapping[str, Any]) -> StillStage:
        """The same stage."""
        return self

    def setup(self) -> None:
        """Nothing is to be loaded."""

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Thumbnail, list[Segment]]:
        """The picture. Raises `VideoError` for a video that cannot be opened, or has none there."""
        return video_still(source, video.start_seconds, long_side=LONG_SIDE, max_pixels=self.max_pixels), []
