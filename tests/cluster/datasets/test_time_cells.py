"""Times, from the cells of a manifest."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from cluster.datasets.time_cells import MAX_SECONDS, seconds_of


def test_times_are_cut_to_microseconds() -> None:
    assert [seconds_of(cell, "end") for cell in (None, "", 0, "1.50", "2/3", 1e-7, MAX_SECONDS)] == [
        *(None, None, 0, Fraction(3, 2)),
        *(Fraction(666666, 10**6), 0, MAX_SECONDS),
    ]


@pytest.mark.parametrize("cell", [-1, "1:05", "inf", MAX_SECONDS + 1, "1e99999999999", [1], True])
def test_what_is_no_time(cell: Any) -> None:
    with pytest.raises(ValueError, match=r"^end must be a number of seconds from 0 to 1000000000, not "):
        seconds_of(cell, "end")
