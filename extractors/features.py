"""What one segment gives, and how the segments of a video become its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.segments import Segment
from extractors.thumbnail import Thumbnail
from schemas.features import FeatureRow
from schemas.quantization import quantize
from schemas.videos import Video


@dataclass(frozen=True)
class SegmentFeatures:
    """The features of one segment of T grid points.

    rgb_sum, audio_sum  (D,) and (128,) float64 sums over the grid points
    rgb, audio          (T, D) and (T, 128) uint8 codes, or None when only the means are kept
    has_audio           whether the video has a sound track
    seconds_by_stage    CPU seconds, by stage
    thumbnail           of one of its frames, where one was asked for
    """

    segment: Segment
    num_frames: int
    duration_seconds: float
    rgb_sum: NDArray[np.float64]
    audio_sum: NDArray[np.float64]
    rgb: NDArray[np.uint8] | None
    audio: NDArray[np.uint8] | None
    has_audio: bool
    seconds_by_stage: dict[str, float]
    size_bytes: int
    thumbnail: Thumbnail | None = None


def merge_segments(video: Video, labels: tuple[int, ...], parts: Sequence[SegmentFeatures]) -> FeatureRow:
    """The row of `video` from all of its segments, in any order."""
    ordered = sorted(parts, key=lambda part: part.segment.index)
    assert [part.segment.index for part in ordered] == list(range(ordered[0].segment.count))
    num_frames = sum(part.num_frames for part in ordered)
    assert num_frames > 0
    has_audio = any(part.has_audio for part in ordered)
    rgb = [part.rgb for part in ordered if part.rgb is not None]
    audio = [part.audio for part in ordered if part.audio is not None]
    if not has_audio:
        audio = [np.full_like(codes, quantize(np.zeros(1, np.float32))[0]) for codes in audio]
    return FeatureRow(
        id=video.id,
        labels=labels,
        mean_rgb=(_total([part.rgb_sum for part in ordered]) / num_frames).astype(np.float32),
        mean_audio=(_total([part.audio_sum for part in ordered]) / num_frames * has_audio).astype(np.float32),
        has_audio=has_audio,
        num_frames=num_frames,
        duration_seconds=sum(part.duration_seconds for part in ordered),
        uri=video.uri,
        rgb=np.concatenate(rgb) if rgb else None,
        audio=np.concatenate(audio) if audio else None,
    )


def _total(sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    total = np.zeros_like(sums[0])
    for part in sums:  # in order, so that the result does not depend on who finished first
        total = total + part
    return total
