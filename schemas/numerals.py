"""Numbers in text from outside, which is matched against a bounded form before it is computed.

A few characters can name a number that takes hours and gigabytes to compute, as `Fraction("1e999999999999")` does, and
holds the interpreter meanwhile. So a container's tags, the cells of a manifest and other text from outside are read
with these functions alone. `ValueError` is raised for what is no such number, and for one that 64 bits do not hold.
"""

from __future__ import annotations

import re
from fractions import Fraction

LIMIT = 1 << 64  # of the absolute value; identifiers may be unsigned
SHOWN_CHARACTERS = 60
# Digits with a decimal point and a power of ten, or one whole number over another.
NUMBER = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,2})?|[+-]?\d{1,20}/\d{1,20}")
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,20}")
CLOCK = re.compile(r"\d{1,9}:\d{1,2}:\d{1,2}(?:\.\d{0,20})?")


def number_of(value: object) -> Fraction:
    """The number that a value is, or that text denotes: `2`, `0.5`, `1e-3` or `24000/1001`, exactly."""
    text = _matched(NUMBER, value, "a number of 64 bits")
    try:
        number = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"{text!r} divides by 0") from None
    if abs(number) >= LIMIT:
        raise ValueError(f"{text!r} is not a number of 64 bits")
    return number


def whole_number_of(value: object) -> int:
    """The whole number that a value is, or that the digits of text denote."""
    text = _matched(WHOLE_NUMBER, value, "a whole number of 64 bits")
    if abs(int(text)) >= LIMIT:
        raise ValueError(f"{text!r} is not a whole number of 64 bits")
    return int(text)


def natural_number_of(text: str) -> int | None:
    """The number that digits alone denote; None for other text, and for more than 64 bits."""
    try:
        return whole_number_of(text) if text.isdecimal() else None
    except ValueError:
        return None


def seconds_of_clock(text: str) -> Fraction:
    """The seconds of a time such as `01:02:03.5`."""
    hours, minutes, seconds = _matched(CLOCK, text, "a time such as 01:02:03.5").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)


def _matched(form: re.Pattern[str], value: object, kind: str) -> str:
    """What is written, if it has that form; `kind` says what it should be."""
    try:
        text = str(value).strip()
    except ValueError:  # Python prints no integer of thousands of digits
        raise ValueError(f"a number of thousands of digits is not {kind}") from None
    if form.fullmatch(text) is None:
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        raise ValueError(f"{shown!r} is not {kind}")
    return text
