"""The stage that reads lips: a video → what is said in it, with the times of the words.

    file ─► frames at the reader's rate ─► faces ─► crops of windows ─► network ─► log-probabilities ─► words, joined

In one pass, and in memory that does not grow with the length of the video, but for its words: a window of frames is
held, and the outputs of `BLOCK_WINDOWS`. Frames are sampled on the grid of the reader's rate
(`extractors.video.decode`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.inference.lip_reader import ReadText, ReadWord, read_text
from classifiers.text.decoder import TextDecoder
from cluster.engines.stage import Network
from cluster.transcription.decoding import Decoding
from cluster.transcription.joining import WordJoiner
from cluster.transcription.lip_network import LipNetwork
from cluster.transcription.mouths import Frame, MouthWindows
from cluster.transcription.windows import Window
from extractors.extract import StageClock
from extractors.faces.crops import Mouth
from extractors.faces.preview import lip_preview
from extractors.length_limit import GIVE_PARTS, MAX_GRID_POINTS, LengthLimit
from extractors.segments import Segment
from extractors.video.coverage import Extent
from extractors.video.decode import Sampler
from extractors.video.grid import as_fps
from extractors.video.media import ReadsAhead, Source, open_media
from extractors.video.samples import Sample
from schemas.outcomes import FailureCode, VideoError
from schemas.transcripts import TranscriptWord
from schemas.videos import Video

BLOCK_WINDOWS = 16  # whose outputs are held

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class Transcript:
    """The result for one video.

    text              its words
    score             the geometric mean of the probabilities of the texts of its windows, by the network
    words             with their seconds after the first frame
    coverage          the share of its frames that was read
    num_frames        frames that were decoded
    seconds_by_stage  CPU seconds
    preview           an animation of the first mouth that it shows, if asked for
    """

    text: str
    score: float
    words: tuple[TranscriptWord, ...]
    coverage: float
    num_frames: int
    seconds_by_stage: dict[str, float]
    preview: bytes | None = None


class LipTranscriber:
    """Decodes and reads, in one thread. Cheap to make and to pickle; `setup` loads what it needs, once per process."""

    def __init__(
        self,
        network: LipNetwork,
        mouths: MouthWindows,
        decoding: Decoding,
        max_pixels: int,
        max_frames: int = MAX_GRID_POINTS,
    ) -> None:
        self.network = network
        self.mouths = mouths
        self.decoding = decoding
        self.max_pixels = max_pixels
        self.max_frames = max_frames
        self._decoder: tuple[TextDecoder, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the decoder, whose lexicon is a deep structure; the receiver calls `setup`."""
        return {**self.__dict__, "_decoder": None}

    @property
    def result_type(self) -> type[Transcript]:
        """Of what it says of a video."""
        return Transcript

    @property
    def networks(self) -> dict[str, Network]:
        """The lip reader."""
        return {"network": self.network}

    def with_networks(self, networks: Mapping[str, Any]) -> LipTranscriber:
        """The same stage with another network."""
        other = copy(self)
        other.network = networks["network"]
        return other

    def setup(self) -> None:
        """Build the network and the decoder, and load the networks that find faces."""
        self.network.setup()
        self.mouths.setup()
        self._decoder = self._decoder or self.decoding.build()

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[Transcript, list[Segment]]:
        """What is said in a video; for people to look at, `with_thumbnail` adds a preview.

        Raises:
            VideoError: for a file that cannot be read, has no decodable frame, too few or too many, or never shows a
                mouth.
        """
        clock = StageClock()
        started = time.thread_time()
        fps = as_fps(self.mouths.look.fps)
        end = None if video.end_seconds is None else Fraction(video.end_seconds)
        limit = LengthLimit(self.max_frames, fps, GIVE_PARTS)
        with open_media(source, max_pixels=self.max_pixels) as media:
            limit.header_duration(media, video)
            if end is None and not video.start_seconds and isinstance(source, ReadsAhead):
                source.expect_all()
            extent = Extent()
            sampler = Sampler(media, source, fps, extent=extent, max_pixels=self.max_pixels)
            samples = _Samples(limit.within(sampler.samples(Fraction(video.start_seconds), end), video), clock)
            clock.add("open", started)
            reading = _Reading(self.mouths, samples, clock, shown=video.id if with_thumbnail else None)
            words, logs = WordJoiner(), _Mean()
            for window, values in self._outputs(reading, clock):
                read = self._read(values, fps, clock)
                start = window.first / fps
                words.add(start, window.stop / fps, [_shifted(word, start) for word in read.words])
                logs.add(math.log(read.score) if read.score else -math.inf)
        self._check(video, samples, reading)
        found = tuple(
            TranscriptWord(word.word, float(word.start_seconds), float(word.end_seconds), word.score)
            for word in words.words
        )
        total = max(extent.stop - extent.first + extent.head_points, samples.count)
        transcript = Transcript(
            text=self.decoding.between.join(word.word for word in found),
            score=math.exp(logs.value),
            words=found,
            coverage=reading.read_frames / total,
            num_frames=samples.count,
            seconds_by_stage=clock.seconds,
            preview=reading.preview,
        )
        return transcript, []

    def _outputs(self, reading: _Reading, clock: StageClock) -> Iterator[tuple[ReadWindow, NDArray[np.float32]]]:
        """Windows that show a mouth, and their log-probabilities (T, K)."""
        while True:
            started, before = time.thread_time(), sum(clock.seconds.values())
            results = self.network.embed_prepared(islice(reading, BLOCK_WINDOWS))  # N, window x K
            elsewhere = sum(clock.seconds.values()) - before
            clock.add("network", started)
            clock.seconds["network"] -= elsewhere
            if not len(results):
                return
            if not np.isfinite(results).all():
                raise FloatingPointError("the lip reader returned numbers that are not finite")
            for window, result in zip(reading.take_windows(), results, strict=True):
                yield window, result.reshape(-1, self.network.num_classes)[: window.stop - window.first]

    def _read(self, values: NDArray[np.float32], fps: Fraction, clock: StageClock) -> ReadText:
        started = time.thread_time()
        assert self._decoder is not None  # as of `setup`
        read = read_text(values, self._decoder[0], fps)
        clock.add("text", started)
        return read

    def _check(self, video: Video, samples: _Samples, reading: _Reading) -> None:
        """Raise `VideoError` for a video in which nothing could be read."""
        assert self._decoder is not None  # as of `setup`
        count, fewest, fps = samples.count, self._decoder[1], self.mouths.look.fps
        if not count:
            raise VideoError(
                FailureCode.NO_DECODABLE_FRAME, f"it has no frame from second {float(video.start_seconds):g} on"
            )
        if count < fewest:
            raise VideoError(
                FailureCode.NO_DECODABLE_FRAME,
                f"it has {count} frames at {fps} a second, and the shortest sentence of the lexicon needs {fewest}: "
                "provide all of the sentence",
            )
        if not reading.read_frames:
            assert samples.latest is not None
            raise self.mouths.error(samples.latest, count)


@dataclass(frozen=True)
class ReadWindow:
    """The frames [`first`, `stop`) of a window."""

    first: int
    stop: int


class _Samples:
    """Counts the samples of a video as they pass, and keeps the last picture."""

    def __init__(self, samples: Iterator[Sample], clock: StageClock) -> None:
        self.count = 0
        self.latest: NDArray[np.uint8] | None = None
        self._samples = samples
        self._clock = clock

    def __iter__(self) -> Iterator[Sample]:
        return self

    def __next__(self) -> Sample:
        started = time.thread_time()
        try:
            sample = next(self._samples)
        finally:
            self._clock.add("decode", started)
        self.count, self.latest = self.count + 1, sample.image
        return sample


class _Reading:
    """Iterates over the crops of windows that show a mouth, and counts the frames that are in them.

    `shown` is the id of a video whose first mouth is to have a preview.
    """

    def __init__(self, mouths: MouthWindows, samples: _Samples, clock: StageClock, *, shown: str | None) -> None:
        self.read_frames = 0
        self.preview: bytes | None = None
        self._shown = shown
        self._mouths = mouths
        self._windows = mouths.windows(samples)
        self._clock = clock
        self._taken: list[ReadWindow] = []
        self._stop = 0  # of the frames that are counted

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self

    def __next__(self) -> NDArray[np.uint8]:
        started, before = time.thread_time(), self._clock.seconds.get("decode", 0.0)
        try:
            for window in self._windows:
                mouth = self._mouths.mouth(window)
                if mouth is not None:
                    self._show(mouth)
                    self._count(window)
                    return mouth.crops
        finally:
            self._clock.add("faces", started)
            self._clock.seconds["faces"] -= self._clock.seconds.get("decode", 0.0) - before
        raise StopIteration

    def take_windows(self) -> list[ReadWindow]:
        """The windows since the last call."""
        taken, self._taken = self._taken, []
        return taken

    def _show(self, mouth: Mouth) -> None:
        """Make the preview, if there is to be one. It is for people to look at: where that fails, there is none."""
        shown, self._shown = self._shown, None
        if shown is None:
            return
        try:
            self.preview = lip_preview(mouth, self._mouths.look)
        except Exception as error:
            logger.warning(f"video {shown} has no preview: {type(error).__name__}: {error}")

    def _count(self, window: Window[Frame]) -> None:
        self._taken.append(ReadWindow(window.first, window.stop))
        uncounted = window.items[max(self._stop - window.first, 0) :]
        self.read_frames += sum(not frame.is_shown_again for frame in uncounted)
        self._stop = window.stop


class _Mean:
    """The mean of numbers."""

    def __init__(self) -> None:
        self._total, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._total, self._count = self._total + value, self._count + 1

    @property
    def value(self) -> float:
        return self._total / self._count


def _shifted(word: ReadWord, seconds: Fraction) -> ReadWord:
    return replace(word, start_seconds=word.start_seconds + seconds, end_seconds=word.end_seconds + seconds)
