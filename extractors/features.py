"""Features of a segment, and their merge into the row of a video.

In: the `SegmentFeatures` of all segments of a video, in any order. Out: its `FeatureRow`, or a `VideoError` if less
than half of the video could be decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from extractors.segments import Segment
from extractors.video.coverage import MIN_COVERAGE
from extractors.video.grid import as_fps, index_range
from extractors.video.thumbnail import Thumbnail
from schemas.codes import Codes
from schemas.features import FeatureRow
from schemas.outcomes import FailureCode, VideoError
from schemas.quantization import quantize
from schemas.videos import Video

MAX_LISTED_GAPS = 5
MAX_CODE_BYTES = 16 << 20  # of a video, in memory
CUT_SHORT = "The recording or the upload was cut short, or it is several files joined end to end"


@dataclass(frozen=True)
class FrameValues:
    """The embeddings of T decoded grid points.

    points      (T,) int64, their numbers on the grid
    rgb, audio  (T, D) and (T, 128) float32, before quantisation
    """

    points: NDArray[np.int64]
    rgb: NDArray[np.float32]
    audio: NDArray[np.float32]


@dataclass(frozen=True)
class SegmentFeatures:
    """The features of one segment with T decoded grid points (`num_frames`).

    missing_frames      number of missing grid points (`extractors.video.coverage`)
    gaps                their time ranges (start, end), in seconds after the video's first frame
    ends_early          whether the last grid points are missing
    fps                 grid points per second
    duration_seconds    of the segment, gaps included
    video_seconds       duration of the whole video by its header; None if the header has none
    rgb_sum, audio_sum  (D,) and (128,) float64, sums over the grid points
    rgb, audio          codes of the grid points, D and 128 wide; None if only the means are kept
    has_audio           whether any audio of the video could be decoded
    seconds_by_stage    CPU seconds by stage
    size_bytes          of the video file
    thumbnail           of one of the frames, if requested
    tracks              what was taken of the file or assumed, if not all is certain (`extractors.video.provenance`)
    values              the embeddings themselves, if requested
    """

    segment: Segment
    num_frames: int
    duration_seconds: float
    rgb_sum: NDArray[np.float64]
    audio_sum: NDArray[np.float64]
    rgb: Codes | None
    audio: Codes | None
    has_audio: bool
    seconds_by_stage: dict[str, float]
    size_bytes: int
    thumbnail: Thumbnail | None = None
    missing_frames: int = 0
    gaps: tuple[tuple[float, float], ...] = ()
    ends_early: bool = False
    video_seconds: float | None = None
    fps: str = "1"
    tracks: str | None = None
    values: FrameValues | None = None


def merge_segments(
    video: Video, labels: tuple[int, ...], parts: Sequence[SegmentFeatures], lost: Sequence[Segment] = ()
) -> FeatureRow:
    """The row of `video` from the features of all its segments, in any order, and the segments that failed (`lost`).

    Raises:
        VideoError: if less than half of the video could be decoded.
    """
    ordered = sorted(parts, key=lambda part: part.segment.index)
    covered = sorted([*(part.segment.index for part in parts), *(segment.index for segment in lost)])
    assert covered == list(range(ordered[0].segment.count))
    num_frames = sum(part.num_frames for part in ordered)
    assert num_frames > 0
    missing_frames = sum(part.missing_frames for part in ordered)
    lost_ranges = [_time_range(segment, ordered) for segment in lost]
    for start, end in lost_ranges:
        first, stop = index_range(as_fps(ordered[0].fps), Fraction(start), Fraction(end))
        missing_frames += (stop or first) - first
    gaps = _joined([*lost_ranges, *(gap for part in ordered for gap in part.gaps)])
    coverage = num_frames / (num_frames + missing_frames)
    if coverage < MIN_COVERAGE:
        raise _coverage_error(coverage, gaps, ends_early=bool(lost) or ordered[-1].ends_early)
    has_audio = any(part.has_audio for part in ordered)
    rgb = [part.rgb for part in ordered if part.rgb is not None]
    audio = [part.audio for part in ordered if part.audio is not None]
    if not has_audio:
        audio = [_silent(codes) for codes in audio]
    return FeatureRow(
        id=video.id,
        labels=labels,
        mean_rgb=(_total([part.rgb_sum for part in ordered]) / num_frames).astype(np.float32),
        mean_audio=(_total([part.audio_sum for part in ordered]) / num_frames * has_audio).astype(np.float32),
        has_audio=has_audio,
        num_frames=num_frames,
        duration_seconds=sum([part.duration_seconds for part in ordered] + [end - start for start, end in lost_ranges]),
        coverage=coverage,
        gaps=gaps,
        split=video.split,
        tracks=ordered[0].tracks,
        uri=video.uri,
        rgb=_following(rgb) if rgb else None,
        audio=_following(audio) if audio else None,
    )


def _silent(codes: Codes) -> Codes:
    """The codes of no sound at as many grid points."""
    silence = quantize(np.zeros((min(len(codes), 1), codes.dim), np.float32))
    return Codes(silence, np.full(len(silence), len(codes)))


def _following(parts: Sequence[Codes]) -> Codes:
    """The codes of parts that follow each other; many are mapped into memory from a file that has no name any more."""
    if sum(part.vectors.nbytes for part in parts) <= MAX_CODE_BYTES:
        return Codes.joined(parts)
    counts = np.concatenate([part.counts for part in parts])
    with TemporaryFile(prefix="framemill-") as file:
        for part in parts:
            file.write(np.ascontiguousarray(part.vectors).data)
        file.flush()
        return Codes(np.memmap(file, np.uint8, "r", shape=(len(counts), parts[0].dim)), counts)


def is_hopeless(lost: int, count: int) -> bool:
    """Whether a video of `count` segments, `lost` of which failed, can no longer reach the minimum coverage."""
    return lost > count * (1 - MIN_COVERAGE)


def _time_range(segment: Segment, parts: Sequence[SegmentFeatures]) -> tuple[float, float]:
    """Start and end of a lost segment in seconds, as far as the video's duration is known."""
    start, end = float(segment.start_seconds), segment.end_seconds
    video_seconds = max((part.video_seconds for part in parts if part.video_seconds is not None), default=start)
    return start, max(start, video_seconds if end is None else min(float(end), video_seconds))


def _joined(gaps: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The gaps in order of time, adjacent and overlapping ones merged."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(gaps):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        elif end > start:
            joined.append((start, end))
    return tuple(joined)


def _coverage_error(coverage: float, gaps: Sequence[tuple[float, float]], *, ends_early: bool) -> VideoError:
    listed = ", ".join(f"{start:g} to {end:g} s" for start, end in gaps[:MAX_LISTED_GAPS])
    more = f" and {len(gaps) - MAX_LISTED_GAPS} more" if len(gaps) > MAX_LISTED_GAPS else ""
    is_cut = ends_early and 2 * (gaps[-1][1] - gaps[-1][0]) > sum(end - start for start, end in gaps)
    code, reason = (
        (
            FailureCode.TRUNCATED,
            f"{CUT_SHORT}: provide the whole file",
        )
        if is_cut
        else (FailureCode.DAMAGED, "The file is damaged: provide another copy")
    )
    return VideoError(
        code, f"only {coverage:.0%} of its frames can be decoded, less than half; missing: {listed}{more}. {reason}"
    )


def _total(sums: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    total = np.zeros_like(sums[0])
    for part in sums:  # in the order of the segments, so that the result does not depend on which finished first
        total = total + part
    return total
