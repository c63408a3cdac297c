"""Feature extraction of one segment of a video: the stage that every engine runs.

    file ─► samples (1 per second) ─► RGB features ───┐
         └► waveform ─► windows ─► audio features ────┴► sums, 8-bit codes

Frames are streamed and kept for no longer than a batch, sound for ten minutes, so memory does not depend on the length
of the segment. A frame on screen at several grid points is embedded once and counted at each; so is silence. Beyond a
limit of grid points a video is refused: its length may be no more than a claim of its header.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.embedders import AudioEmbedder, Embedder, FrameEmbedder
from extractors.feature_totals import FeatureTotals
from extractors.features import FrameValues, SegmentFeatures
from extractors.sampling import SamplingConfig
from extractors.segments import Segment, plan_segments
from extractors.sound import SegmentSound
from extractors.video.coverage import Extent
from extractors.video.decode import Sampler
from extractors.video.grid import as_fps, index_range
from extractors.video.media import Media, ReadsAhead, Source, open_media
from extractors.video.probe import header_duration, size_bytes
from extractors.video.provenance import provenance
from extractors.video.samples import Sample
from extractors.video.seek import can_seek
from extractors.video.thumbnail import Thumbnail, encode_thumbnail
from extractors.video.waveform import Waveform
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video

BLOCK_FRAMES = 4096  # whose embeddings are held


@dataclass
class StageClock:
    """CPU seconds of the current thread by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, started: float) -> None:
        """Add the time since `started` (a `time.thread_time`) to `stage`."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.thread_time() - started


class Extractor:
    """Decodes and embeds in one thread. Cheap to create and pickle; `setup` loads the networks once per process."""

    def __init__(
        self, sampling: SamplingConfig, frames: FrameEmbedder, sound: AudioEmbedder, *, keeps_values: bool = False
    ) -> None:
        """With `keeps_values`, the results hold the embeddings themselves as well."""
        self.sampling = sampling
        self.frames = frames
        self.sound = sound
        self.keeps_values = keeps_values

    @property
    def result_type(self) -> type[SegmentFeatures]:
        """Type of a segment's result."""
        return SegmentFeatures

    @property
    def networks(self) -> dict[str, Embedder]:
        """Both embedders by argument name."""
        return {"frames": self.frames, "sound": self.sound}

    def with_networks(self, networks: Mapping[str, Any]) -> Extractor:
        """An extractor with the same sampling and other embedders, by argument name."""
        return Extractor(self.sampling, **networks, keeps_values=self.keeps_values)

    def setup(self) -> None:
        """Load the networks."""
        self.frames.setup()
        self.sound.setup()

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[SegmentFeatures, list[Segment]]:
        """The features of `segment` of `source`, and the segments of the video that remain.

        Without `segment`, the video is cut into segments and the first is extracted; with it, none remain.

        Raises:
            VideoError: for a file that cannot be read, or without a decodable frame.
        """
        config = self.sampling
        clock = StageClock()
        started = time.thread_time()
        sound = SegmentSound(self.sound)
        waveform, extent = Waveform(sound.receive), Extent()
        with open_media(source, max_pixels=config.max_pixels) as media:
            segments = self._plan(media, video) if segment is None else [segment]
            segment, *others = segments
            if segment.count == 1 and segment.end_seconds is None and isinstance(source, ReadsAhead):
                source.expect_all()
            sampler = Sampler(
                media,
                source,
                as_fps(config.fps),
                config.selective,
                waveform,
                extent,
                config.max_pixels,
                key_frames=config.sampling == "keyframes",
            )
            start = Fraction(segment.start_seconds)
            end = None if segment.end_seconds is None else Fraction(segment.end_seconds)
            has_audio_track = media.audio is not None
            video_seconds = header_duration(media)
            if video_seconds is not None:
                video_seconds += sum(media.unread_files)
            tracks = provenance(media)
            clock.add("open", started)
            frames = _UniqueFrames(self._within_limit(sampler.samples(start, end), video), clock, with_thumbnail)
            started = time.thread_time()
            rgb = self._embed_frames(frames)
            clock.add("embed_frames", started)
            clock.seconds["embed_frames"] -= clock.seconds.get("decode", 0.0)
        num_frames = len(frames.points)
        if segment.index == 0 and not num_frames:
            raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"it has no frame from second {segment.start_seconds} on")
        started = time.thread_time()
        audio = self._totals(self.sound.dim)
        sound.add_to(audio, waveform if has_audio_track else None, frames.points)
        if has_audio_track:
            clock.add("embed_sound", started)
            clock.seconds["embed_sound"] += sound.early_seconds
            clock.seconds["decode"] -= sound.early_seconds
        missing = extent.missing_ranges(frames.points)
        missing_frames = sum(stop - first for first, stop in missing)
        fps = as_fps(config.fps)
        if extent.spliced_seconds is not None:
            video_seconds = extent.spliced_seconds
        features = SegmentFeatures(
            segment=segment,
            num_frames=num_frames,
            missing_frames=missing_frames,
            gaps=tuple((float(first / fps), float(stop / fps)) for first, stop in missing),
            duration_seconds=_duration(video_seconds, segment, (num_frames + missing_frames) / fps),
            ends_early=bool(missing) and missing[-1][1] == extent.stop,
            fps=config.fps,
            video_seconds=None if video_seconds is None else float(video_seconds),
            rgb_sum=rgb.sum,
            audio_sum=audio.sum,
            rgb=rgb.codes,
            audio=audio.codes,
            has_audio=waveform.has_audio,
            seconds_by_stage=clock.seconds,
            size_bytes=size_bytes(source),
            thumbnail=frames.thumbnail,
            tracks=tracks,
            values=None
            if rgb.values is None or audio.values is None
            else FrameValues(np.array(frames.points, np.int64), rgb.values, audio.values),
        )
        return features, others

    def _plan(self, media: Media, video: Video) -> list[Segment]:
        limit = self.sampling.max_seconds
        end = video.end_seconds
        if limit is not None:
            end = min(video.start_seconds + limit, end) if end is not None else video.start_seconds + limit
        duration = header_duration(media) if can_seek(media) else None
        if duration is not None:
            stop = duration if end is None else min(duration, Fraction(end))
            self.sampling.check_length(math.ceil((stop - video.start_seconds) * as_fps(self.sampling.fps)))
        return plan_segments(
            duration,
            segment_seconds=self.sampling.segment_seconds,
            start_seconds=video.start_seconds,
            end_seconds=end,
        )

    def _within_limit(self, samples: Iterable[Sample], video: Video) -> Iterator[Sample]:
        first, _ = index_range(as_fps(self.sampling.fps), Fraction(video.start_seconds), None)
        for sample in samples:
            self.sampling.check_length(sample.index - first + 1)
            yield sample

    def _totals(self, dim: int) -> FeatureTotals:
        return FeatureTotals(dim, keeps_codes=self.sampling.frame_features, keeps_values=self.keeps_values)

    def _embed_frames(self, frames: _UniqueFrames) -> FeatureTotals:
        totals = self._totals(self.frames.dim)
        while len(embeddings := self.frames.embed_stream(islice(frames, BLOCK_FRAMES))):
            totals.add(embeddings, frames.take_counts())
        return totals


class _UniqueFrames:
    """Iterates over the distinct frames of samples.

    `points` collects the grid points, `take_counts` gives the number of grid points of each frame since the last call.
    """

    def __init__(self, samples: Iterator[Sample], clock: StageClock, with_thumbnail: bool) -> None:
        self.points = array("q")
        self.thumbnail: Thumbnail | None = None
        self._samples = samples
        self._clock = clock
        self._with_thumbnail = with_thumbnail
        self._counts: list[int] = []
        self._number = 0
        self._ahead: Sample | None = None  # the first of the next frame

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self

    def __next__(self) -> NDArray[np.uint8]:
        started = time.thread_time()
        try:
            sample = self._ahead or next(self._samples)
            self._number += 1
            # The second frame: the first is often black.
            if self._with_thumbnail and self._number <= 2:
                self.thumbnail = Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
            self._counts.append(self._read_points(sample))
            return sample.image
        finally:
            self._clock.add("decode", started)

    def take_counts(self) -> NDArray[np.int64]:
        """The number of grid points of each frame since the last call."""
        counts, self._counts = np.array(self._counts, np.int64), []
        return counts

    def _read_points(self, sample: Sample) -> int:
        """Collect the grid points of the frame of `sample`; returns their number."""
        before, self._ahead = len(self.points), None
        self.points.append(sample.index)
        for following in self._samples:
            if following.image is not sample.image:
                self._ahead = following
                break
            self.points.append(following.index)
        return len(self.points) - before


def _duration(video_seconds: Fraction | None, segment: Segment, sampled_seconds: Fraction) -> float:
    """Duration of the segment by the video's header, or else the sampled time."""
    if segment.index < segment.count - 1 and segment.end_seconds is not None:
        return float(segment.end_seconds - segment.start_seconds)
    if video_seconds is None:
        return float(sampled_seconds)
    end = video_seconds if segment.end_seconds is None else min(video_seconds, segment.end_seconds)
    return max(float(end - segment.start_seconds), 0.0)
