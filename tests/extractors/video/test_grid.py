"""The grid is exact: every point belongs to one frame, at any rate, time base and origin."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from extractors.video.grid import Grid, as_fps, index_range

TICKS = [Fraction(1, 90_000), Fraction(1, 1000), Fraction(1001, 30_000), Fraction(1)]
RATES = [Fraction(1), Fraction(5, 2), Fraction(1, 3), Fraction(30_000, 1001)]


@pytest.mark.parametrize(
    ("given", "rate"),
    [(1, 1), (0.5, Fraction(1, 2)), ("1/3", Fraction(1, 3)), ("29.97", Fraction(2997, 100)), (0.1, Fraction(1, 10))],
)
def test_rates_are_exact(given: int | float | str, rate: int | Fraction) -> None:
    assert as_fps(given) == rate


@pytest.mark.parametrize(
    "given", [0, -1, "0", "nan", "inf", float("inf"), float("nan"), "1/0", "often", 1e-9, "1e999999999999"]
)
def test_invalid_rates_are_refused_by_name(given: int | float | str) -> None:
    with pytest.raises(ValueError, match=r"fps must be .*above 0.*not"):
        as_fps(given)


@pytest.mark.parametrize("tick", TICKS)
@pytest.mark.parametrize("fps", RATES)
def test_every_grid_point_belongs_to_one_frame(tick: Fraction, fps: Fraction) -> None:
    rng = np.random.default_rng(int(1 / tick))
    for origin in (0, -7, 12_345):
        grid = Grid(fps, tick, origin)
        longest = max(2, int(3 / tick))
        stamps = [origin, *(origin + np.cumsum(rng.integers(1, longest, 40))).tolist()]
        points = [index for start, end in pairwise(stamps) for index in grid.points(start, end)]
        assert points == list(range(math.ceil((stamps[-1] - origin) * tick * fps)))


def test_a_frame_lasts_from_its_timestamp_until_the_next() -> None:
    grid = Grid(Fraction(1), Fraction(1, 10), 5)
    assert grid.points(5, 15) == range(1)
    assert grid.points(5, 16) == range(2)
    assert list(grid.points(6, 15)) == []
    assert grid.points(15, 36) == range(1, 4)
    assert list(grid.points(36, 15)) == []


def test_only_points_of_the_requested_range_are_returned() -> None:
    grid = Grid(Fraction(1), Fraction(1), 0, first=3, stop=6)
    assert grid.points(0, 100) == range(3, 6)
    assert list(grid.points(0, 3)) == list(grid.points(6, 9)) == []
    assert [grid.is_over(pts) for pts in (5, 6, 7)] == [False, True, True]
    assert not Grid(Fraction(1), Fraction(1), 0).is_over(10**12)


@pytest.mark.parametrize("tick", TICKS)
@pytest.mark.parametrize("fps", RATES)
def test_the_timestamp_of_a_point_is_the_last_one_not_after_it(tick: Fraction, fps: Fraction) -> None:
    grid = Grid(fps, tick, 11)
    for index in range(50):
        seconds = grid.seconds(index)
        assert seconds == index / fps
        assert (grid.pts(index) - 11) * tick <= seconds < (grid.pts(index) + 1 - 11) * tick


@pytest.mark.parametrize("fps", RATES)
def test_adjacent_ranges_share_no_point(fps: Fraction) -> None:
    seconds = [Fraction(0), Fraction(1, 3), Fraction(2), Fraction(7), Fraction(300)]
    ranges = [index_range(fps, start, end) for start, end in pairwise(seconds)]
    assert ranges[0][0] == 0
    for (_, stop), (first, _) in pairwise(ranges):
        assert stop == first
    assert index_range(fps, seconds[-1], None) == (ranges[-1][1], None)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(("first", "stop"), [(0, None), (3, 9), (5, 5)])
def test_sampled_frames_are_those_with_points(fps: Fraction, first: int, stop: int | None) -> None:
    rng = np.random.default_rng(first)
    grid = Grid(fps, Fraction(1, 1000), 12, first, stop)
    stamps = [12, *(12 + np.cumsum(rng.integers(1, 900, 60))).tolist()]
    points = [grid.points(start, end) for start, end in pairwise(stamps)]
    assert list(grid.sampled(stamps)) == [(position, there) for position, there in enumerate(points) if there]
