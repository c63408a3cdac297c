"""Sliding windows over a video: the clips that a classifier without a memory looks at to tell what happens when.

In: a path or a seekable binary file object, the clip's format, and the length of a step. Out: (number of the step,
uint8 (T, H, W, C)) in order, decoded in one pass (`extractors.clips.passes`). T frames, H height, W width, C channels,
of RGB, optical flow or both.

Step k stands for the time from k to k + 1 times `step_seconds` after the first frame. Its window is the T frames, at
the rate of the format, whose middle is that of the step; at both ends of the video the window is moved inside. A video
shorter than a window loops or repeats its last frame. A step through which no intact frame is shown has no window.

Each window is, to the bit, the clip that `extractors.clips.decode.decode_clips` gives for its start. Formats without a
rate take consecutive frames: a window then lasts as long as T frames do on average, and the last one has the last T.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from extractors.clips.decode import ClipRequest, Seconds
from extractors.clips.frame_times import LISTED_SECONDS, FrameSequence, FrameTimes
from extractors.clips.passes import UNSURE, Image, fully_decoded_clips, selective_clips
from extractors.clips.sampling import ClipSampling
from extractors.video.grid import as_fps
from extractors.video.media import MAX_PIXELS, Source
from schemas.clips import ClipFormat
from schemas.outcomes import FailureCode, VideoError

MAX_WINDOWS = 1 << 20  # whose timestamps are in memory: twelve days at one a second

logger = logging.getLogger(__name__)


def decode_windows(
    source: Source,
    clip_format: ClipFormat,
    *,
    step_seconds: Seconds,
    first_seconds: Seconds = 0,
    stop_seconds: Seconds | None = None,
    start_seconds: Seconds = 0,
    end_seconds: Seconds | None = None,
    short: str = "loop",
    selective: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[tuple[int, Image]]:
    """Yield the windows of the steps that begin in [`first_seconds`, `stop_seconds`), a segment.

    start_seconds, end_seconds  the part of the video that windows lie in
    short                       for parts shorter than a window: `loop`, or `pad` with the last frame
    selective                   False decodes every frame, to the same windows

    Raises:
        VideoError: for a file that cannot be read as a video, without a decodable frame, or that is too long.
        ValueError: for a format that is neither RGB nor names its optical flow.
    """
    request = WindowRequest(
        clips=ClipRequest(
            clip_format,
            ClipSampling(placement="start", short=short),
            0,
            Fraction(start_seconds),
            None if end_seconds is None else Fraction(end_seconds),
        ),
        step_seconds=Fraction(step_seconds),
        first_seconds=max(Fraction(first_seconds), Fraction(start_seconds)),
        stop_seconds=None if stop_seconds is None else Fraction(stop_seconds),
    )
    done = -1  # steps come in order
    if selective:
        try:
            for done, (clip,) in selective_clips(source, request, max_pixels):
                yield done, clip
            return
        except UNSURE as error:
            logger.debug("decoding every frame: %s", error)
    for number, (clip,) in fully_decoded_clips(source, request, max_pixels, range(done + 1)):
        yield number, clip


@dataclass(frozen=True, kw_only=True)
class WindowRequest:
    """The windows of the steps that begin in [`first_seconds`, `stop_seconds`).

    clips  the part of the video that windows lie in, and how its frames become clips
    """

    clips: ClipRequest
    step_seconds: Fraction
    first_seconds: Fraction
    stop_seconds: Fraction | None

    def resized(self, image: Image) -> Image:
        """A frame in its size before it is cropped."""
        return self.clips.resized(image)

    @property
    def reaches_end(self) -> bool:
        """Whether the last steps of the file are among them."""
        return self.stop_seconds is None and self.clips.end_seconds is None

    def moments(self, times: FrameTimes, tick: Fraction) -> dict[int, Sequence[int]]:
        """The timestamps of the T frames of each window, by its step, in ticks."""
        found: dict[int, Sequence[int]] = {}
        for step, start in self.starts(times, tick):
            (moments,) = replace(self.clips, start_seconds=start).moments(times, tick).values()
            found[step] = array("q", moments)
        return found

    def starts(self, times: FrameTimes, tick: Fraction) -> Iterator[tuple[int, Fraction]]:
        """Steps, and the seconds after the first frame at which their windows start."""
        end = (times.end_pts - times.origin) * tick
        if self.clips.end_seconds is not None:
            end = min(end, self.clips.end_seconds)
        stop = end if self.stop_seconds is None else min(end, self.stop_seconds)
        steps = range(ceil(self.first_seconds / self.step_seconds), ceil(stop / self.step_seconds))
        if not steps:
            return
        if len(steps) > MAX_WINDOWS:
            raise VideoError(
                FailureCode.TOO_LONG,
                f"it lasts {floor(end):,} s, {len(steps):,} steps of {float(self.step_seconds):g} s in one piece; the "
                f"limit is {MAX_WINDOWS:,}. If the length is real, take longer steps (--stride), or parts of it: give "
                "start_seconds and end_seconds in the manifest",
            )
        length = self._length(times, tick, end)
        latest = self._latest_start(times, tick, end, length, steps)
        for step in steps:
            begin, following = (floor(k * self.step_seconds / tick) for k in (step, step + 1))
            if times.shows(times.origin + begin, times.origin + max(following, begin + 1)):
                middle = (step + Fraction(1, 2)) * self.step_seconds
                yield step, max(min(middle - length / 2, latest), self.clips.start_seconds)

    def clip(self, number: int, images: Sequence[Image]) -> Image:
        """The centre crop (1, T, H, W, C) of the resized frames of a window."""
        return self.clips.clip(0, images)

    def _length(self, times: FrameTimes, tick: Fraction, end: Fraction) -> Fraction:
        """How many seconds a window lasts, in a part that ends at `end` seconds."""
        clip_format, start = self.clips.clip_format, self.clips.start_seconds
        if clip_format.fps is not None:
            return clip_format.frames / as_fps(clip_format.fps)
        count = _sequence(times, tick, start, end).count
        return clip_format.frames * (end - start) / count

    def _latest_start(
        self, times: FrameTimes, tick: Fraction, end: Fraction, length: Fraction, steps: range
    ) -> Fraction:
        """When the last window starts that ends by `end` seconds."""
        frames = self.clips.clip_format.frames
        tail_seconds = max(Fraction(LISTED_SECONDS), 2 * length)
        if self.clips.clip_format.fps is None and (steps.stop * self.step_seconds) > end - tail_seconds:
            # Distances between frames may vary: the last window is found by counting from the end.
            tail = _sequence(times, tick, max(end - tail_seconds, self.clips.start_seconds), end)
            if tail.count >= frames:
                (pts,) = tail.timestamps([tail.count - frames])
                return (pts - times.origin) * tick
        return end - length


def _sequence(times: FrameTimes, tick: Fraction, start: Fraction, end: Fraction) -> FrameSequence:
    return times.sequence(times.origin + floor(start / tick), times.origin + ceil(end / tick))
