"""One segment of one video → its features: the stage that every engine runs.

    file ─► samples (1 a second) ─► RGB features ─┐
         └► waveform ─► windows ─► sound features ─┴► sums, 8-bit codes

Frames stream through: none is kept longer than a batch, so memory does not depend on the segment's length. A frame that
stays on screen for several grid points is embedded once and counted as often as it is seen.
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
from extractors.segments import DEFAULT_SECONDS, Segment, plan_segments
from extractors.video.coverage import Extent
from extractors.video.decode import Sampler
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS, Media, ReadsAhead, Source, open_media
from extractors.video.probe import header_duration, size_bytes
from extractors.video.samples import Sample
from extractors.video.seek import can_seek
from extractors.video.sound import Sound
from extractors.video.thumbnail import Thumbnail, encode_thumbnail
from schemas.features import AUDIO_DIM
from schemas.outcomes import FailureCode, VideoError
from schemas.quantization import quantize
from schemas.videos import Video

SAMPLINGS = ("exact", "keyframes")


@dataclass(frozen=True)
class SamplingConfig:
    """How videos are read.

    fps              grid points a second
    segment_seconds  length of the unit of work
    frame_features   whether the codes of every grid point are kept beside the means
    max_seconds      how much of each video is used, from its start; None for all of it
    max_pixels       the largest picture that is decoded
    selective        decode only what is needed; the result is the same
    sampling         `exact`, or `keyframes`: the picture that a group of pictures starts with stands for all of it
    """

    fps: str = "1"
    segment_seconds: int = DEFAULT_SECONDS
    frame_features: bool = False
    max_seconds: int | None = None
    max_pixels: int = MAX_PIXELS
    selective: bool = True
    sampling: str = "exact"

    def __post_init__(self) -> None:
        """Check the numbers."""
        as_fps(self.fps)
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"sampling is one of {', '.join(SAMPLINGS)}, not {self.sampling!r}")
        for name in ("segment_seconds", "max_seconds", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    def fingerprint_parts(self) -> dict[str, str]:
        """What must be equal for two datasets' features to mean the same."""
        return {"fps": str(as_fps(self.fps)), "max_seconds": str(self.max_seconds or "all"), "mode": self.sampling}


@dataclass
class StageClock:
    """CPU seconds of this thread, by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, started: float) -> None:
        """Count the time since `started` (a `time.thread_time`) for `stage`."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.thread_time() - started


class Extractor:
    """Decodes and embeds in one thread. Cheap to make and to pickle; `setup` loads the networks, once per process."""

    def __init__(self, sampling: SamplingConfig, frames: FrameEmbedder, sound: AudioEmbedder) -> None:
        self.sampling = sampling
        self.frames = frames
        self.sound = sound

    @property
    def networks(self) -> dict[str, Embedder]:
        """Both, by their names here."""
        return {"frames": self.frames, "sound": self.sound}

    def with_networks(self, networks: Mapping[str, Any]) -> Extractor:
        """The same with others in their place."""
        return Extractor(self.sampling, **networks)

    def setup(self) -> None:
        """Load the networks."""
        self.frames.setup()
        self.sound.setup()

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[SegmentFeatures, list[Segment]]:
        """The features of `segment` of `source`, and the video's other segments.

        Without `segment`, the video is cut into segments and the first is done; with it, the list is empty. Raises
        `VideoError` for a file that cannot be read or shows nothing.
        """
        config = self.sampling
        clock = StageClock()
        started = time.thread_time()
        sound, extent = Sound(), Extent()
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
                sound,
                extent,
                config.max_pixels,
                key_frames=config.sampling == "keyframes",
            )
            start = Fraction(segment.start_seconds)
            end = None if segment.end_seconds is None else Fraction(segment.end_seconds)
            has_track = media.audio is not None
            whole_seconds = header_duration(media)
            clock.add("open", started)
            frames = _UniqueFrames(sampler.samples(start, end), clock, with_thumbnail)
            started = time.thread_time()
            unique = self.frames.embed_stream(frames)
            clock.add("embed_frames", started)
            clock.seconds["embed_frames"] -= clock.seconds.get("decode", 0.0)
        rgb = np.repeat(unique, frames.counts, axis=0)  # (T, D)
        if segment.index == 0 and not len(rgb):
            raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"nothing is shown from second {segment.start_seconds} on")
        audio = np.zeros((len(rgb), AUDIO_DIM), np.float32)
        if has_track:
            started = time.thread_time()
            audio = self.sound(sound.windows(frames.points))
            clock.add("embed_sound", started)
        keep = config.frame_features
        stretches = extent.missing(frames.points)
        fps = as_fps(config.fps)
        features = SegmentFeatures(
            segment=segment,
            num_frames=len(rgb),
            missing_frames=sum(stop - first for first, stop in stretches),
            gaps=tuple((float(first / fps), float(stop / fps)) for first, stop in stretches),
            duration_seconds=_duration(whole_seconds, segment, len(rgb) / fps),
            ends_early=bool(stretches) and stretches[-1][1] == extent.stop,
            fps=config.fps,
            video_seconds=None if whole_seconds is None else float(whole_seconds),
            rgb_sum=rgb.sum(axis=0, dtype=np.float64),
            audio_sum=audio.sum(axis=0, dtype=np.float64),
            rgb=quantize(rgb) if keep else None,
            audio=quantize(audio) if keep else None,
            has_audio=sound.has_track,
            seconds_by_stage=clock.seconds,
            size_bytes=size_bytes(source),
            thumbnail=frames.thumbnail,
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
    """Iterates over the pictures of samples, each once.

    `points` then holds the grid points, `counts` at how many of them each picture is seen.
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
                # The second picture: the first is often black.
                if self._with_thumbnail and len(self.counts) <= 2:
                    self.thumbnail = Thumbnail(float(sample.seconds), encode_thumbnail(sample.image))
                return sample.image
        finally:
            self._clock.add("decode", started)
        raise StopIteration


def _duration(whole_seconds: Fraction | None, segment: Segment, sampled_seconds: Fraction) -> float:
    """Seconds of the segment by the headers, or as many as were sampled where they do not tell."""
    if segment.index < segment.count - 1 and segment.end_seconds is not None:
        return float(segment.end_seconds - segment.start_seconds)
    if whole_seconds is None:
        return float(sampled_seconds)
    end = float(whole_seconds) if segment.end_seconds is None else min(float(whole_seconds), segment.end_seconds)
    return max(end - segment.start_seconds, 0.0)
