"""The stage that scores the time of a video with clip models: a window for each step → a timeline.

    file ─► windows (one for each step) ─► network ─► (n, F + K) ─► timeline

Step k stands for the time from k to k + 1 times the step after the first frame; its scores are those of the clip whose
middle is that of the step (`extractors.clips.windows`). Windows do not depend on one another: a long video is cut into
segments that are worked through in parallel if its container has an index, and is decoded in one pass if not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.inference.timelines import TimelineForm
from cluster.scoring.clip_stage import ClipStage
from cluster.scoring.timeline_assembler import TimelineScores
from extractors.clips.windows import decode_windows
from extractors.extract import StageClock
from extractors.networks.precision import require_finite
from extractors.segments import DEFAULT_SECONDS, Segment, plan_segments
from extractors.video.media import ReadsAhead, Source, open_media
from extractors.video.probe import header_duration
from extractors.video.seek import can_seek
from schemas.timelines import joined_timeline
from schemas.videos import Video

BLOCK_STEPS = 256  # whose outputs are held


@dataclass(frozen=True, kw_only=True)
class WindowScorer(ClipStage):
    """Decodes and scores, a segment at a time.

    num_classes   K, of which the network gives logits beside its features
    short         for videos shorter than a window: `loop`, or `pad` with the last frame
    """

    num_classes: int
    short: str
    form: TimelineForm
    step_seconds: Fraction
    segment_seconds: int = DEFAULT_SECONDS

    @property
    def result_type(self) -> type[TimelineScores]:
        """Of what it says of a segment."""
        return TimelineScores

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[TimelineScores, list[Segment]]:
        """The timeline of a segment; without one, of the first, and the remaining segments.

        Raises:
            VideoError: for a file that cannot be read, without a decodable frame, or that is too long.
        """
        clock = StageClock()
        started = time.thread_time()
        segment, *others = self._segments(source, video) if segment is None else [segment]
        if segment.count == 1 and segment.end_seconds is None and isinstance(source, ReadsAhead):
            source.expect_all()
        clock.add("open", started)
        windows = _Windows(
            decode_windows(
                source,
                self.clip_format,
                step_seconds=self.step_seconds,
                first_seconds=segment.start_seconds,
                stop_seconds=segment.end_seconds,
                start_seconds=video.start_seconds,
                end_seconds=video.end_seconds,
                short=self.short,
                max_pixels=self.max_pixels,
            ),
            clock,
        )
        parts = [self.form.timeline(np.zeros(0, np.int64), torch.zeros(0, self.num_classes))]
        started = time.thread_time()
        while len(results := self.network.embed_prepared(islice(windows, BLOCK_STEPS))):
            require_finite(results)
            logits = torch.from_numpy(results[:, -self.num_classes :])
            parts.append(self.form.timeline(windows.take_numbers(), logits))
        clock.add("network", started)
        clock.seconds["network"] -= clock.seconds.get("decode", 0.0)
        timeline = joined_timeline(parts)
        num_frames = len(timeline.numbers) * self.clip_format.frames
        return TimelineScores(segment, timeline, num_frames, clock.seconds), others

    def _segments(self, source: Source, video: Video) -> list[Segment]:
        with open_media(source, max_pixels=self.max_pixels) as media:
            return plan_segments(
                header_duration(media) if can_seek(media) else None,
                segment_seconds=self.segment_seconds,
                start_seconds=video.start_seconds,
                end_seconds=video.end_seconds,
            )


class _Windows:
    """Iterates over the clips of windows, and collects the numbers of their steps."""

    def __init__(self, windows: Iterator[tuple[int, Any]], clock: StageClock) -> None:
        self._windows = windows
        self._clock = clock
        self._numbers: list[int] = []

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        started = time.thread_time()
        try:
            number, clip = next(self._windows)
        finally:
            self._clock.add("decode", started)
        self._numbers.append(number)
        return torch.from_numpy(clip)

    def take_numbers(self) -> NDArray[np.int64]:
        """The numbers of the steps since the last call."""
        numbers, self._numbers = np.array(self._numbers, np.int64), []
        return numbers
