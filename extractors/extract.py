"""Feature extraction of one segment of a video: the stage that every engine runs.

    file ─► samples (1 per second) ─► RGB features ───┐
         └► waveform ─► windows ─► audio features ────┴► sums, 8-bit codes

Frames are streamed and kept for no longer than a batch, so memory does not depend on the length of the segment. A frame
on screen at several grid points is embedded once and counted at each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.embedders import AudioEmbedder, Embedder, FrameEmbedder
from extractors.features import SegmentFeatures
from extractors.sampling import SamplingConfig
from extractors.segments import Segment, plan_segments
from extractors.video.coverage import Extent
from extractors.video.decode import Sampler
from extractors.video.grid import as_fps
from extractors.video.media import Media, ReadsAhead, Source, open_media
from extractors.video.probe import header_duration, size_bytes
from extractors.video.provenance import provenance
from extractors.video.samples import Sample
from extractors.video.seek import can_seek
from extractors.video.thumbnail import Thumbnail, encode_thumbnail
from extractors.video.waveform import Waveform
from schemas.features import AUDIO_DIM
from schemas.outcomes import FailureCode, VideoError
from schemas.quantization import quantize
from schemas.videos import Video


@dataclass
class StageClock:
    """CPU seconds of the current thread by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, started: float) -> None:
        """Add the time since `started` (a `time.thread_time`) to `stage`."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.thread_time() - started


class Extractor:
    """Decodes and embeds in one thread. Cheap to create and pickle; `setup` loads the networks once per process."""

    def __init__(self, sampling: SamplingConfig, frames: FrameEmbedder, sound: AudioEmbedder) -> None:
        self.sampling = sampling
        self.frames = frames
        self.sound = sound

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
        return Extractor(self.sampling, **networks)

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
        waveform, extent = Waveform(), Extent()
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
            frames = _UniqueFrames(sampler.samples(start, end), clock, with_thumbnail)
            started = time.thread_time()
            unique = self.frames.embed_stream(frames)
            clock.add("embed_frames", started)
            clock.seconds["embed_frames"] -= clock.seconds.get("decode", 0.0)
        rgb = np.repeat(unique, frames.counts, axis=0)  # (T, D)
        if segment.index == 0 and not len(rgb):
            raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"it has no frame from second {segment.start_seconds} on")
        audio = np.zeros((len(rgb), AUDIO_DIM), np.float32)
        if has_audio_track:
            started = time.thread_time()
            audio = self.sound(waveform.windows(frames.points))
            clock.add("embed_sound", started)
        missing = extent.missing_ranges(frames.points)
        missing_frames = sum(stop - first for first, stop in missing)
        fps = as_fps(config.fps)
        if extent.spliced_seconds is not None:
            video_seconds = extent.spliced_seconds
        features = SegmentFeatures(
            segment=segment,
            num_frames=len(rgb),
            missing_frames=missing_frames,
            gaps=tuple((float(first / fps), float(stop / fps)) for first, stop in missing),
            duration_seconds=_duration(video_seconds, segment, (len(rgb) + missing_frames) / fps),
            ends_early=bool(missing) and missing[-1][1] == extent.stop,
            fps=config.fps,
            video_seconds=None if video_seconds is None else float(video_seconds),
            rgb_sum=rgb.sum(axis=0, dtype=np.float64),
            audio_sum=audio.sum(axis=0, dtype=np.float64),
            rgb=quantize(rgb) if config.frame_features else None,
            audio=quantize(audio) if config.frame_features else None,
            has_audio=waveform.has_audio,
            seconds_by_stage=clock.seconds,
            size_bytes=size_bytes(source),
            thumbnail=frames.thumbnail,
            tracks=tracks,
        )
        return features, others

    def _plan(self, media: Media, video: Video) -> list[Segment]:
        limit = self.sampling.max_seconds
        end = video.end_seconds
        if limit is not None:
            end = min(video.start_seconds + limit, end) if end is not None else video.start_seconds + limit
        return plan_segments(
            header_duration(media) if can_seek(media) else None,
            segment_seconds=self.sampling.segment_seconds,
            start_seconds=video.start_seconds,
            end_seconds=end,
        )


class _UniqueFrames:
    """Iterates over the distinct frames of samples.

    `points` collects the grid points, `counts` the number of grid points of each frame.
    """

    def __init__(self, samples: Iterator[Sample], clock: StageClock, with_thumbnail: bool) -> None:
        self.points: list[int] = []
        self.counts: list[int] = []
        self.thumbnail: Thumbnail | None = None
        self._samples = samples
        self._clock = clock
        self._with_thumbnail = with_thumbnail
        self._image: NDArray[np.uint8] | None = None

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self

    def __next__(self) -> NDArray[np.uint8]:
        started = time.thread_time()
        try:
            for sample in self._samples:
                self.points.append(sample.index)
                if sample.image is self._image:
                    self.counts[-1] += 1
                    continue
                self._image = sample.image
                self.counts.append(1)
                # The second frame: the first is often black.
                if self._with_thumbnail and len(self.counts) <= 2:
                    self.thumbnail = Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
                return sample.image
        finally:
            self._clock.add("decode", started)
        raise StopIteration


def _duration(video_seconds: Fraction | None, segment: Segment, sampled_seconds: Fraction) -> float:
    """Duration of the segment by the video's header, or else the sampled time."""
    if segment.index < segment.count - 1 and segment.end_seconds is not None:
        return float(segment.end_seconds - segment.start_seconds)
    if video_seconds is None:
        return float(sampled_seconds)
    end = float(video_seconds) if segment.end_seconds is None else min(float(video_seconds), segment.end_seconds)
    return max(end - segment.start_seconds, 0.0)
