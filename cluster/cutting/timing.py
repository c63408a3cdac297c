"""From the extent of an annotation to frames of the video, by the video's own timestamps.

In: an `Extent` and the `FrameList`. Out: `FrameSpan`, the frames from `first` to `stop` (exclusive). The clip lasts
from the time of the first one to that of the frame after the last, or to the end of the video.

A range of seconds holds the frames that begin in it. Tools write times in milliseconds, rounded up or down: a frame
that begins up to `ROUNDING_SECONDS` before a time counts as beginning at it. Seconds are those of the player's clock,
whose zero is the start of the container, and not always that of the pictures.

Frame numbers at a nominal rate become seconds by that rate, but by the exact one where it is written rounded, and the
video has the exact one: 29.97 is then 30000/1001, of which it is a whole frame short after nine hours, and more than
the rounding after 17 minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from extractors.cutting.frame_list import FrameList
from schemas.annotations import Extent, FrameRange, TimeRange
from schemas.cuttings import FindingCode

ROUNDING_SECONDS = Fraction(1, 1000)
NTSC = Fraction(1000, 1001)
RATE_ROUNDING = Fraction(1, 200)  # two decimals, as in 23.98
RATE_TOLERANCE = Fraction(1, 10_000)  # between 29.97 and 30 lies 0.001, between 23.976 and 23.98 0.00017


class RefusedError(Exception):
    """An extent that holds no frame of the video."""

    def __init__(self, code: FindingCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class FrameSpan:
    """Frames `first` to `stop` (exclusive); `shortened` says what of the extent lies outside the video, if anything."""

    first: int
    stop: int
    shortened: str = ""


def frame_span(extent: Extent, frames: FrameList) -> FrameSpan:
    """The frames of an extent. Raises `RefusedError`."""
    if extent is None:
        return FrameSpan(0, len(frames))
    if isinstance(extent, TimeRange):
        return _of_seconds(extent.start_seconds, extent.end_seconds, frames)
    if extent.last < extent.first:
        raise RefusedError(FindingCode.NO_LENGTH, f"it ends at frame {extent.last}, before it starts at {extent.first}")
    if extent.rate is not None:
        rate = _exact(extent.rate, frames.rate)
        return _of_seconds(extent.first / rate, (extent.last + 1) / rate, frames)
    return _of_numbers(extent, frames)


def _of_numbers(extent: FrameRange, frames: FrameList) -> FrameSpan:
    count = len(frames)
    if extent.first >= count or extent.last < 0:
        raise RefusedError(
            FindingCode.OUTSIDE,
            f"frames {extent.first} to {extent.last} lie outside the video, whose last is {count - 1}",
        )
    first, stop = max(extent.first, 0), min(extent.last + 1, count)
    is_whole = (first, stop) == (extent.first, extent.last + 1)
    shortened = f"frames {extent.first} to {extent.last}: the video has frames 0 to {count - 1}"
    return FrameSpan(first, stop, "" if is_whole else shortened)


def _exact(rate: Fraction, of_video: Fraction) -> Fraction:
    """The rate of NTSC that `rate` is rounded from, where the video's is nearer to that one."""
    exact = round(rate) * NTSC
    is_rounded = rate != exact and abs(rate - exact) <= RATE_ROUNDING
    has_exact = abs(of_video - exact) <= min(RATE_TOLERANCE * exact, abs(of_video - rate))
    return exact if is_rounded and has_exact else rate


def _of_seconds(start: Fraction, end: Fraction, frames: FrameList) -> FrameSpan:
    times = f"{_text(start)} to {_text(end)} s"
    if end <= start:
        raise RefusedError(FindingCode.NO_LENGTH, f"{times} has no length")
    rounding = min(ROUNDING_SECONDS, 1 / (4 * frames.rate))
    start, end = start - frames.clock_seconds, end - frames.clock_seconds
    duration = frames.duration_seconds
    if start >= duration or end <= 0:
        raise RefusedError(FindingCode.OUTSIDE, f"{times} lies outside the video, which lasts {_text(duration)} s")
    first, stop = frames.first_from(start - rounding), frames.first_from(end - rounding)
    if first >= stop:
        raise RefusedError(
            FindingCode.NO_FRAME, f"no frame begins in {times}: it is shorter than the distance between two frames"
        )
    # The end of the last frame is known less exactly than its start.
    is_within = start >= -frames.clock_seconds and end <= duration + max(rounding, 1 / frames.rate)
    return FrameSpan(first, stop, "" if is_within else f"{times}: the video lasts {_text(duration)} s")


def _text(seconds: Fraction) -> str:
    return f"{float(seconds):.3f}".rstrip("0").rstrip(".")
