"""Timelines of a report: cells with their times, and no more of them than a page can show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.sampled_timelines import MAX_CELLS, MAX_EVENTS, NOTHING
from tests.support.timelines import sampled


def test_cells_have_their_times_and_those_without_a_step_are_left_out() -> None:
    timeline = sampled([0, 0, NOTHING, 1], cell_seconds=2.0, seconds=7.5)
    assert list(timeline.cells()) == [(0, 2, 0, 0.75), (2, 4, 0, 0.75), (6, 7.5, 1, 0.75)]
    assert [timeline.seconds_of(place) for place in range(3)] == [4, 1.5, 0]


def test_what_cannot_be_drawn_is_refused() -> None:
    whole = sampled([0, 1], [(0, 1, 2)])
    for changes, problem in (
        ({"places": (0, 3)}, "there is no class 3: there are 3"),
        ({"scores": (0.5,)}, "2 places and 1 scores"),
        ({"places": (), "scores": ()}, f"expected as many, 1 to {MAX_CELLS}"),
        ({"seconds": 3.0}, r"3.0 s do not fit in 2 cells of 1.0 s"),
        ({"events": whole.events * (MAX_EVENTS + 1)}, f"{MAX_EVENTS + 1} events, at most {MAX_EVENTS}"),
    ):
        with pytest.raises(ValueError, match=problem):
            replace(whole, **changes)
