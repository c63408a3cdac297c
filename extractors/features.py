"""What one segment gives, and how the segments of a video become its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from extractors.segments import Segment
from extractors.video.coverage import MIN_COVERAGE
from extractors.video.grid import as_fps, index_range
from extractors.video.thumbnail import Thumbnail
from schemas.features import FeatureRow
from schemas.outcomes import FailureCode, VideoError
from schemas.quantization import quantize
from schemas.videos import Video

MAX_TOLD_GAPS = 5


@dataclass(frozen=True)
class SegmentFeatures:
    """The features of one segment of which T grid points are there.

    missing_frames      grid points that are not (`extractors.video.coverage`)
    gaps                where they lie, (start, end) in seconds after the video's first frame
    ends_early          whether its last grid points are missing
    fps                 grid points a second
    duration_seconds    of the segment, gaps included
    video_seconds       of the whole video by its header, None where that keeps silent
    rgb_sum, audio_sum  (D,) and (128,) float64 sums over the grid points
    rgb, audio          (T, D) and (T, 128) uint8 codes, or None when only the means are kept
    has_audio           whether the video has a sound track of which anything can be decoded
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
    missing_frames: int = 0
    gaps: tuple[tuple[float, float], ...] = ()
    ends_early: bool = False
    video_seconds: float | None = None
    fps: str = "1"


def merge_segments(
    video: Video, labels: tuple[int, ...], parts: Sequence[SegmentFeatures], lost: Sequence[Segment] = ()
) -> FeatureRow:
    """The row of `video` from all of its segments, in any order; those of which nothing could be had are `lost`.

    Raises `VideoError` where less than half of the video is there.
    """
    ordered = sorted(parts, key=lambda part: part.segment.index)
    covered = sorted([*(part.segment.index for part in parts), *(segment.index for segment in lost)])
    assert covered == list(range(ordered[0].segment.count))
    num_frames = sum(part.num_frames for part in ordered)
    assert num_frames > 0
    missing_frames = sum(part.missing_frames for part in ordered)
    away = [_stretch(segment, ordered) for segment in lost]
    for start, end in away:
        first, stop = index_range(as_fps(ordered[0].fps), Fraction(start), Fraction(end))
        missing_frames += (stop or first) - first
    gaps = _joined([*away, *(gap for part in ordered for gap in part.gaps)])
    coverage = num_frames / (num_frames + missing_frames)
    if coverage < MIN_COVERAGE:
        raise _too_little(coverage, gaps, ends_early=bool(lost) or ordered[-1].ends_early)
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
        duration_seconds=sum([part.duration_seconds for part in ordered] + [end - start for start, end in away]),
        coverage=coverage,
        gaps=gaps,
        split=video.split,
        uri=video.uri,
        rgb=np.concatenate(rgb) if rgb else None,
        audio=np.concatenate(audio) if audio else None,
    )


def is_hopeless(lost: int, count: int) -> bool:
    """Whether a video of `count` segments cannot become a row any more, with so many of them lost."""
    return lost > count * (1 - MIN_COVERAGE)


def _stretch(segment: Segment, parts: Sequence[SegmentFeatures]) -> tuple[float, float]:
    """From when until when a lost segment would have lasted."""
    start, end = float(segment.start_seconds), segment.end_seconds
    whole = max((part.video_seconds for part in parts if part.video_seconds is not None), default=start)
    return start, max(start, whole if end is None else min(float(end), whole))


def _joined(gaps: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """In order of time, those that touch as one."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(gaps):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        elif end > start:
            joined.append((start, end))
    return tuple(joined)


def _too_little(coverage: float, gaps: Sequence[tuple[float, float]], *, ends_early: bool) -> VideoError:
    told = ", ".join(f"{start:g} to {end:g} s" for start, end in gaps[:MAX_TOLD_GAPS])
    more = f" and {len(gaps) - MAX_TOLD_GAPS} more" if len(gaps) > MAX_TOLD_GAPS else ""
    is_cut = ends_early and 2 * (gaps[-1][1] - gaps[-1][0]) > sum(end - start for start, end in gaps)
    code, reason = (
        (FailureCode.TRUNCATED, "The recording or the upload was cut short: bring the whole file")
        if is_cut
        else (FailureCode.DAMAGED, "The file is damaged: bring another copy of it")
    )
    return VideoError(
        code, f"only {coverage:.0%} of its pictures can be decoded, less than half; missing: {told}{more}. {reason}"
    )


def _total(sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    total = np.zeros_like(sums[0])
    for part in sums:  # in order, so that the result does not depend on who finished first
        total = total + part
    return total
