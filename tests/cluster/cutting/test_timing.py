"""From frame numbers and seconds to frames, by the timestamps of the video."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.cutting.timing import FrameSpan, RefusedError, frame_span
from extractors.cutting.frame_list import FrameList
from schemas.annotations import Extent, FrameRange, TimeRange
from schemas.cuttings import FindingCode


def frames_of(*milliseconds: int, end: int, clock: Fraction = Fraction(0)) -> FrameList:
    """Frames at these times, on a clock that starts with 500."""
    timestamps = tuple(500 + moment for moment in milliseconds)
    rate = Fraction(len(timestamps) * 1000, end)
    return FrameList(Fraction(1, 1000), timestamps, 500 + end, clock, rate, is_sure=True, gaps=0)


FRAMES = frames_of(0, 40, 100, 120, 200, end=260)


def seconds(start: int, end: int) -> TimeRange:
    return TimeRange(Fraction(start, 1000), Fraction(end, 1000))


@pytest.mark.parametrize(
    ("extent", "first", "stop"),
    [
        (None, 0, 5),
        (FrameRange(1, 1), 1, 2),
        (FrameRange(2, 4), 2, 5),
        (FrameRange(1, 2, Fraction(25)), 1, 3),  # 40 to 120 ms
        (seconds(40, 120), 1, 3),
        (seconds(41, 121), 1, 3),  # a millisecond is rounding, at both ends
        (seconds(41, 122), 1, 4),
        (seconds(42, 119), 2, 3),
        (seconds(39, 119), 1, 3),
        (seconds(0, 260), 0, 5),
        (seconds(200, 300), 4, 5),  # the end of the last frame is known less exactly than its start
    ],
)
def test_frames_that_begin_in_the_extent(extent: Extent, first: int, stop: int) -> None:
    assert frame_span(extent, FRAMES) == FrameSpan(first, stop)


@pytest.mark.parametrize(
    ("extent", "code"),
    [
        (FrameRange(5, 9), FindingCode.OUTSIDE),
        (FrameRange(-3, -1), FindingCode.OUTSIDE),
        (FrameRange(3, 2), FindingCode.NO_LENGTH),
        (seconds(50, 50), FindingCode.NO_LENGTH),
        (seconds(90, 50), FindingCode.NO_LENGTH),
        (seconds(260, 400), FindingCode.OUTSIDE),
        (seconds(-50, 0), FindingCode.OUTSIDE),
        (seconds(130, 190), FindingCode.NO_FRAME),
    ],
)
def test_extents_without_a_frame_are_refused(extent: Extent, code: FindingCode) -> None:
    with pytest.raises(RefusedError) as caught:
        frame_span(extent, FRAMES)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("extent", "first", "stop"), [(FrameRange(3, 8), 3, 5), (FrameRange(-2, 1), 0, 2), (seconds(100, 900), 2, 5)]
)
def test_what_goes_beyond_the_video_is_shortened(extent: Extent, first: int, stop: int) -> None:
    found = frame_span(extent, FRAMES)
    assert (found.first, found.stop) == (first, stop)
    assert "the video" in found.shortened


@pytest.mark.parametrize("nominal", [24, 30, 60])
@pytest.mark.parametrize("decimals", [2, 3])
def test_a_rounded_rate_is_the_exact_one_of_the_video(nominal: int, decimals: int) -> None:
    """Frames of an hour, for which 29.97 is 3.6 ms too early, and 23.98 half a second too late."""
    exact, count = Fraction(nominal * 1000, 1001), 3600 * nominal
    frames = FrameList(1 / exact, range(count), count, Fraction(0), exact, is_sure=True, gaps=0)
    written = round(exact, decimals)
    for first in (0, 1017 * nominal, 3500 * nominal):
        found = frame_span(FrameRange(first, first + 9, written), frames)
        assert (found.first, found.stop) == (first, first + 10)


@pytest.mark.parametrize(
    ("rate", "of_video"), [("29.97", "2997/100"), ("29.97", "30"), ("30", "30000/1001"), ("25", "25"), ("12.5", "12.5")]
)
def test_other_rates_are_as_written(rate: str, of_video: str) -> None:
    written, own = Fraction(rate), Fraction(of_video)
    frames = FrameList(1 / own, range(100_000), 100_000, Fraction(0), own, is_sure=True, gaps=0)
    seconds = TimeRange(60_000 / written, 60_010 / written)
    assert frame_span(FrameRange(60_000, 60_009, written), frames) == frame_span(seconds, frames)


def test_seconds_are_those_of_the_player() -> None:
    """Pictures that begin 50 ms after the container are 50 ms late; frame numbers are not."""
    late = frames_of(0, 40, 100, 120, 200, end=260, clock=Fraction(50, 1000))
    assert frame_span(seconds(90, 170), late) == FrameSpan(1, 3)
    assert frame_span(seconds(0, 100), late) == FrameSpan(0, 2)
    assert frame_span(FrameRange(1, 2), late) == FrameSpan(1, 3)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_rounded_times_of_frames_are_the_frames(data: st.DataObject) -> None:
    """Whatever the distances, above 4 ms: a tool that writes a frame's time in milliseconds means that frame."""
    ticks = data.draw(st.lists(st.integers(400, 9000), min_size=2, max_size=30))
    times = [sum(ticks[:place]) for place in range(len(ticks) + 1)]
    frames = FrameList(
        Fraction(1, 90_000),
        tuple(times[:-1]),
        times[-1],
        Fraction(0),
        Fraction(len(ticks) * 90_000, times[-1]),
        True,
        0,
    )
    first = data.draw(st.integers(0, len(ticks) - 1))
    last = data.draw(st.integers(first, len(ticks) - 1))
    rounding = data.draw(st.sampled_from([int, round]))
    start, end = (Fraction(rounding(Fraction(times[at], 90)), 1000) for at in (first, last + 1))
    found = frame_span(TimeRange(start, end), frames)
    assert (found.first, found.stop) == (first, last + 1)
