"""Values of an export, checked: text, seconds, frames, members of JSON objects. `ValueError` says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, TypeVar

from cluster.datasets.label_cells import checked_text, shown
from cluster.datasets.time_cells import MAX_SECONDS
from schemas.annotations import TimeRange
from schemas.errors import EXAMPLES
from schemas.numerals import number_of

MAX_FRAME = 1 << 40
KINDS: Mapping[type, str] = {str: "text", list: "a list", dict: "an object", bool: "true or false"}
SPLITS = {"train": "train", "val": "validation", "test": "test"}
SPLIT = re.compile(r"(?<![a-z])(train|val|test)(?:ing|idation|idate)?(?![a-z])")
T = TypeVar("T")


def member(value: Any, key: str, kind: type[T]) -> T:
    """A member of a JSON object, which must be there and of that kind."""
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with {key!r}, not {shown(value)}")
    if key not in value:
        raise ValueError(f"it has no {key!r}: {shown(value)}")
    return _of_kind(value[key], key, kind)


def optional_member(value: Any, key: str, kind: type[T], default: T) -> T:
    """A member of a JSON object, or `default` where it is missing or null."""
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, not {shown(value)}")
    return default if value.get(key) is None else _of_kind(value[key], key, kind)


def _of_kind(found: Any, key: str, kind: type[T]) -> T:
    if not isinstance(found, kind):
        raise ValueError(f"{key!r} must be {KINDS.get(kind, kind.__name__)}, not {shown(found)}")
    return found


def label_of(value: Any, what: str = "label") -> str:
    """A class as exported, without the blanks at its ends: text, or a number as it is written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{what} must be text, not {shown(value)}")
    text = checked_text(str(value).strip(), what)
    if not text:
        raise ValueError(f"no {what}")
    return text


def text_of(value: Any, what: str) -> str:
    """Text without the blanks at its ends; empty for null."""
    return "" if value is None or (isinstance(value, str) and not value.strip()) else label_of(value, what)


def seconds_of(value: Any) -> Fraction:
    """A time, which may be negative."""
    seconds = number_of(value)
    if abs(seconds) > MAX_SECONDS:
        raise ValueError(f"{shown(value)} s is no time in a video")
    return seconds


def frame_of(value: Any, base: int = 0) -> int:
    """The number of a frame counted from `base`, counted from 0."""
    number = number_of(value)
    if number.denominator > 1 or not base <= number <= MAX_FRAME:
        raise ValueError(f"{shown(value)} is no number of a frame, which count from {base}")
    return int(number) - base


def rate_of(value: Any) -> Fraction:
    """Frames per second."""
    rate = number_of(value)
    if not 0 < rate <= MAX_FRAME:
        raise ValueError(f"{shown(value)} is no frame rate")
    return rate


def segment_of(value: Any) -> TimeRange:
    """A list of start and end."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"expected [start, end] in seconds, not {shown(value)}")
    return TimeRange(seconds_of(value[0]), seconds_of(value[1]))


def attributes_of(pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Names and values, as text, of those that have a value."""
    return tuple(
        (name, checked_text(str(value).strip(), name))
        for name, value in pairs
        if value is not None and str(value).strip()
    )


def unknown(what: str, chosen: str, known: Sequence[str]) -> str:
    """A problem: an option names what the export does not have."""
    near = get_close_matches(chosen, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown_names = ", ".join(map(repr, known[:EXAMPLES])) + (", …" if len(known) > EXAMPLES else "")
    return f"it has no {what} {chosen!r}{hint} (there: {shown_names or 'none'})"


def split_in(name: str) -> str:
    """The split that a file's name says it lists; empty where it says none."""
    found = SPLIT.search(name.lower())
    return SPLITS[found[1]] if found else ""
