"""How videos are sampled: the settings of `extractors.extract`, without its networks."""

from __future__ import annotations

from dataclasses import dataclass

from extractors.length_limit import MAX_GRID_POINTS, LengthLimit
from extractors.segments import DEFAULT_SECONDS
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS

SAMPLINGS = ("exact", "keyframes")
LONGER = (
    "raise the limit (--max-grid-points), lower --fps, or take a part (--max-seconds, or start_seconds and end_seconds "
    "in the manifest)"
)


@dataclass(frozen=True)
class SamplingConfig:
    """How videos are sampled.

    fps              grid points per second
    segment_seconds  length of a segment
    frame_features   whether to keep the codes of every grid point in addition to the means
    max_seconds      length of the part used, from the start of the video; None for all of it
    max_pixels       the largest frame that is decoded
    max_grid_points  of a video, or of the part used; a longer one is refused
    selective        decode only the necessary packets; the result is the same
    sampling         `exact`, or `keyframes`: the first frame of a group of pictures stands for all of the group
    """

    fps: str = "1"
    segment_seconds: int = DEFAULT_SECONDS
    frame_features: bool = False
    max_seconds: int | None = None
    max_pixels: int = MAX_PIXELS
    max_grid_points: int = MAX_GRID_POINTS
    selective: bool = True
    sampling: str = "exact"

    def __post_init__(self) -> None:
        """Check the values."""
        as_fps(self.fps)
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"sampling must be one of {', '.join(SAMPLINGS)}, not {self.sampling!r}")
        for name in ("segment_seconds", "max_seconds", "max_pixels", "max_grid_points"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    def fingerprint_parts(self) -> dict[str, str]:
        """The settings that must be equal in two datasets for their features to be comparable."""
        return {"fps": str(as_fps(self.fps)), "max_seconds": str(self.max_seconds or "all"), "mode": self.sampling}

    def check_length(self, points: int) -> None:
        """Raise `VideoError` for a video of so many grid points if they are too many."""
        LengthLimit(self.max_grid_points, as_fps(self.fps), LONGER).check(points)
