"""Moments anywhere answer as a grid does."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from extractors.clips.moments import Moments
from extractors.video.grid import Grid

TICK = Fraction(1, 1000)


def test_moments_on_a_grid_select_the_same_frames_as_the_grid() -> None:
    grid = Grid(Fraction(5), TICK, 40, 0, 10)
    moments = Moments(TICK, 40, tuple(grid.pts(index) for index in range(10)))
    stamps = [40, 73, 107, 240, 241, 700, 1500, 1840, 1841, 3000]
    assert list(moments.sampled(stamps)) == list(grid.sampled(stamps))
    for start, end in pairwise(stamps):
        assert moments.points(start, end) == grid.points(start, end) or not grid.points(start, end)
        assert moments.is_over(start) == grid.is_over(start)
    assert [moments.seconds(index) for index in range(10)] == [grid.seconds(index) for index in range(10)]


def test_no_frame_is_sampled_between_moments() -> None:
    moments = Moments(TICK, 0, (500, 501))
    assert list(moments.sampled([0, 100, 500])) == []
    assert list(moments.sampled([500, 501, 502])) == [(0, range(1)), (1, range(1, 2))]
    assert not moments.is_over(501)
    assert moments.is_over(502)
