"""A cell of a manifest that holds a time → seconds, to the microsecond."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from cluster.datasets.label_cells import shown
from schemas.numerals import number_of
from schemas.videos import Seconds, whole_microseconds

MAX_SECONDS = 10**9  # which times of any container can hold


def seconds_of(value: Any, column: str) -> Seconds | None:
    """The seconds of a cell, None for an empty one. Raises `ValueError` for what is no time, naming the `column`."""
    if value is None or value == "":
        return None
    try:
        number = number_of(value)
    except ValueError:
        number = Fraction(-1)
    if not 0 <= number <= MAX_SECONDS:
        raise ValueError(f"{column} must be a number of seconds from 0 to {MAX_SECONDS}, not {shown(value)}")
    return whole_microseconds(number)
