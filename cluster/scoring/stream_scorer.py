"""The stage that scores the time of a video with stream networks: frames → a timeline.

    file ─► frames at the network's rate ─► network, with its state ─► logits at each step ─► timeline

In one pass and in constant memory. Step k stands for the time from k to k + 1 times the step after the first frame;
its scores are those after the frame at its beginning. Frames are sampled on the grid of the network's rate
(`extractors.video.decode`); a grid point whose frame is lost or damaged feeds nothing and has no step.

A long video is worked through segment by segment: with each outcome comes the next segment, and with it the state after
this one. The network need not see anything twice, whichever worker goes on, and the timeline is the one that it would
have in one piece. Only containers with an index are cut (`extractors.video.seek`).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.timelines import TimelineForm
from cluster.scoring.backends import StreamRunner
from cluster.scoring.stream_network import CHUNK_FRAMES, to_arrays, to_state
from cluster.scoring.timeline_assembler import TimelineScores
from extractors.clips.crops import crop_corners, resized
from extractors.extract import StageClock
from extractors.length_limit import GIVE_PARTS, MAX_GRID_POINTS, LengthLimit
from extractors.segments import DEFAULT_SECONDS, Segment, plan_segments
from extractors.video.decode import Sampler
from extractors.video.grid import as_fps
from extractors.video.media import Media, ReadsAhead, Source, open_media
from extractors.video.samples import Sample
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, VideoError
from schemas.timelines import Timeline, joined_timeline
from schemas.videos import Video

BLOCK_STEPS = 256  # whose logits are held
PARTS = 64  # of a timeline, before they are joined


@dataclass(frozen=True, kw_only=True)
class StreamScorer:
    """Decodes and scores, a segment at a time, in one thread. Cheap to pickle.

    clip_format  what the network takes; its rate is a multiple of the steps'
    step_frames  grid points from one step to the next
    """

    network: StreamRunner
    clip_format: ClipFormat
    form: TimelineForm
    step_frames: int
    max_pixels: int
    segment_seconds: int = DEFAULT_SECONDS
    max_grid_points: int = MAX_GRID_POINTS

    @property
    def result_type(self) -> type[TimelineScores]:
        """Of what it says of a segment."""
        return TimelineScores

    @property
    def networks(self) -> dict[str, Any]:
        """None that could run elsewhere."""
        return {}

    def with_networks(self, networks: Mapping[str, Any]) -> StreamScorer:
        """The same stage."""
        return self

    def setup(self) -> None:
        """Build the network, once per process."""
        self.network.setup()

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[TimelineScores, list[Segment]]:
        """The timeline of a segment, and the one that follows with the state after it.

        Raises:
            VideoError: for a file that cannot be read, without a decodable frame, or that is too long.
        """
        clock = StageClock()
        started = time.thread_time()
        with open_media(source, max_pixels=self.max_pixels) as media:
            segment = self._first_segment(media, video) if segment is None else segment
            if segment.count == 1 and segment.end_seconds is None and isinstance(source, ReadsAhead):
                source.expect_all()
            sampler = Sampler(media, source, self._fps, max_pixels=self.max_pixels)
            end = None if segment.end_seconds is None else Fraction(segment.end_seconds)
            samples = sampler.samples(Fraction(segment.start_seconds), end)
            clock.add("open", started)
            frames = _Pictures(self._limit.within(samples, video), self.clip_format, clock)
            steps = _Steps(self.form, self.network.num_classes)
            state, num_frames = to_state(segment.state), 0
            while len(points := frames.read(CHUNK_FRAMES)):
                num_frames += len(points)
                started = time.thread_time()
                logits, state = self.network.watch(frames.pictures, state)
                rows = np.flatnonzero(points % self.step_frames == 0)
                steps.add(points[rows] // self.step_frames, logits[rows])
                clock.add("network", started)
        if segment.index == 0 and not num_frames:
            raise VideoError(FailureCode.NO_DECODABLE_FRAME, f"it has no frame from second {segment.start_seconds} on")
        following = segment.following(to_arrays(state), video.end_seconds)
        scores = TimelineScores(replace(segment, state=None), steps.timeline(), num_frames, clock.seconds)
        return scores, [] if following is None else [following]

    @property
    def _fps(self) -> Fraction:
        assert self.clip_format.fps is not None  # as the plan has checked
        return as_fps(self.clip_format.fps)

    @property
    def _limit(self) -> LengthLimit:
        return LengthLimit(self.max_grid_points, self._fps, GIVE_PARTS)

    def _first_segment(self, media: Media, video: Video) -> Segment:
        return plan_segments(
            self._limit.header_duration(media, video),
            segment_seconds=self.segment_seconds,
            start_seconds=video.start_seconds,
            end_seconds=video.end_seconds,
        )[0]


class _Pictures:
    """Frames as the network takes them, some at a time: `pictures`, uint8 (T, H, W, 3)."""

    def __init__(self, samples: Iterator[Sample], form: ClipFormat, clock: StageClock) -> None:
        self.pictures = np.zeros((0, form.height, form.width, 3), np.uint8)
        self._samples = samples
        self._form = form
        self._clock = clock
        self._latest: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None  # a frame, and what is taken of it

    def read(self, count: int) -> NDArray[np.int64]:
        """The grid points of the next frames, at most `count`; none at the end."""
        started = time.thread_time()
        points, pictures = array("q"), []
        for sample in islice(self._samples, count):
            points.append(sample.index)
            pictures.append(self._picture(sample.image))
        if pictures:
            self.pictures = np.stack(pictures)
        self._clock.add("decode", started)
        return np.array(points, np.int64)

    def _picture(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The centre of the resized frame; one on screen at several points is resized once."""
        if self._latest is None or self._latest[0] is not image:
            whole = resized(image, self._form.resize)
            ((top, left),) = crop_corners(whole, self._form.height, self._form.width)
            self._latest = image, whole[top : top + self._form.height, left : left + self._form.width]
        return self._latest[1]


class _Steps:
    """Collects the logits of steps, and of no more than a block of them."""

    def __init__(self, form: TimelineForm, num_classes: int) -> None:
        self._form = form
        self._parts: list[Timeline] = [form.timeline(np.zeros(0, np.int64), torch.zeros(0, num_classes))]
        self._numbers: list[NDArray[np.int64]] = []
        self._logits: list[Tensor] = []

    def add(self, numbers: NDArray[np.int64], logits: Tensor) -> None:
        """Add steps and their logits (n, K)."""
        self._numbers.append(numbers)
        self._logits.append(logits)
        if sum(map(len, self._numbers)) >= BLOCK_STEPS:
            self._close_block()

    def timeline(self) -> Timeline:
        """The timeline of all steps so far."""
        if self._numbers:
            self._close_block()
        return joined_timeline(self._parts)

    def _close_block(self) -> None:
        self._parts.append(self._form.timeline(np.concatenate(self._numbers), torch.cat(self._logits)))
        self._numbers, self._logits = [], []
        if len(self._parts) >= PARTS:
            self._parts = [joined_timeline(self._parts)]
