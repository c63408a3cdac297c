"""The segments of a video cover each grid point once."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from extractors.segments import MAX_SEGMENTS, Segment, plan_segments
from extractors.video.grid import index_range


@pytest.mark.parametrize("fps", [Fraction(1), Fraction(5, 2), Fraction(1, 7)])
def test_segments_cover_each_grid_point_once(fps: Fraction) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        duration = Fraction(int(rng.integers(0, 500_000)), 1000)
        length, start = (
            int(rng.integers(1, 130)),
            Fraction(int(rng.integers(0, 300_000)), int(rng.choice([1000, 7000]))),
        )
        end = None if rng.random() < 0.5 else start + int(rng.integers(1, 400))
        segments = plan_segments(duration, segment_seconds=length, start_seconds=start, end_seconds=end)
        assert [segment.index for segment in segments] == list(range(len(segments)))
        assert {segment.count for segment in segments} == {len(segments)}
        assert (segments[0].start_seconds, segments[-1].end_seconds) == (start, end)
        for left, right in pairwise(segments):
            assert left.end_seconds == right.start_seconds == left.start_seconds + length
        ranges = [index_range(fps, Fraction(s.start_seconds), Fraction(s.end_seconds or 10_000)) for s in segments]
        points = [index for first, stop in ranges for index in range(first, stop or 0)]
        first, stop = index_range(fps, Fraction(start), Fraction(end or 10_000))
        assert points == list(range(first, stop or 0))


def test_a_short_video_is_one_open_segment() -> None:
    assert plan_segments(Fraction(299)) == [Segment(0, 1, 0, None)]
    assert plan_segments(Fraction(300)) == [Segment(0, 1, 0, None)]


def test_a_long_video_is_cut_and_its_last_segment_open() -> None:
    assert plan_segments(Fraction(601), segment_seconds=300) == [
        Segment(0, 3, 0, 300),
        Segment(1, 3, 300, 600),
        Segment(2, 3, 600, None),
    ]


def test_a_fraction_of_a_second_after_a_boundary_is_a_segment() -> None:
    assert len(plan_segments(Fraction(600_001, 1000), segment_seconds=300)) == 3


def test_a_video_has_so_many_segments_whatever_length_its_header_claims() -> None:
    segments = plan_segments(Fraction(10**9), segment_seconds=1, start_seconds=7)
    assert len(segments) <= MAX_SEGMENTS
    assert (segments[0].start_seconds, segments[0].end_seconds, segments[-1].end_seconds) == (7, 7 + 10**5, None)
    assert len(plan_segments(Fraction(MAX_SEGMENTS), segment_seconds=1)) == MAX_SEGMENTS


def test_unknown_length_stays_whole() -> None:
    assert plan_segments(None, segment_seconds=10, start_seconds=5, end_seconds=500) == [Segment(0, 1, 5, 500)]


def test_a_range_beyond_the_end_is_one_segment() -> None:
    assert plan_segments(Fraction(20), segment_seconds=10, start_seconds=50) == [Segment(0, 1, 50, None)]


@pytest.mark.parametrize(("start", "end"), [(0, None), (7, None), (3, 38)])
def test_a_segment_knows_the_one_after_it(start: int, end: int | None) -> None:
    planned = plan_segments(Fraction(41), segment_seconds=10, start_seconds=start, end_seconds=end)
    state = {"frames": np.ones(1)}
    found, segment = [planned[0]], planned[0].following(state, end)
    while segment is not None:
        assert segment.state is state
        found.append(segment)
        segment = segment.following(state, end)
    assert found == planned
    assert len(found) > 3
