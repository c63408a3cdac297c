"""Numbers from outside: what is read, and that nothing else is computed."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from schemas.numerals import natural_number_of, number_of, seconds_of_clock, whole_number_of

ROOT = Path(__file__).parents[2]
LARGE = "1e999999999999"  # which would take years to compute
NO_NUMBERS = [
    *["", "x", "nan", "inf", "-inf", "1_000", "0x10", "1/0", "1/-2", "1//2", "1e", "1e100", "1.5/2", "1 2", "--1"],
    *[LARGE, f"{LARGE}/1", f"1/{LARGE}", "9" * 21, "9" * 5_000, 10**30, 10**5_000, 1e300],
    *[float("nan"), float("inf"), True, None, [1], b"1"],
]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("2", 2),
        (" 0.5 ", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("-1e-3", Fraction(-1, 1000)),
        ("+2.5E+2", 250),
        ("24000/1001", Fraction(24_000, 1001)),
        ("18446744073709551615", 2**64 - 1),
        (7, 7),
        (0.1, Fraction(1, 10)),
        (3.0, 3),
        (Fraction(1, 3), Fraction(1, 3)),
    ],
)
def test_numbers_are_exact(value: object, number: int | Fraction) -> None:
    assert number_of(value) == number


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_anything_else_is_refused_with_a_short_message(value: object) -> None:
    for read in (number_of, whole_number_of):
        with pytest.raises(ValueError, match=r"is not a|divides by 0") as caught:
            read(value)
        assert len(str(caught.value)) < 150


@pytest.mark.parametrize(("value", "number"), [("07", 7), (" -3 ", -3), ("+4", 4), (2**64 - 1, 2**64 - 1), ("٣", 3)])
def test_whole_numbers(value: object, number: int) -> None:
    assert whole_number_of(value) == number


@pytest.mark.parametrize("value", ["1.0", 1.0, "1/1", "1e3", 2**64, str(2**64), "-18446744073709551616"])
def test_what_is_not_whole_or_too_large_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a whole number of 64 bits"):
        whole_number_of(value)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("012", 12), ("-1", None), ("", None), ("9" * 5_000, None)])
def test_digits_alone_are_a_natural_number(text: str, number: int | None) -> None:
    assert natural_number_of(text) == number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:01.000000000", 1),
        ("01:02:03.5", Fraction(7447, 2)),
        ("1:2:3", 3723),
        ("100:00:00.04", Fraction(36_000_004, 100)),
    ],
)
def test_times_are_seconds(text: str, seconds: int | Fraction) -> None:
    assert seconds_of_clock(text) == seconds


@pytest.mark.parametrize("text", ["", "1:2", "1:2:3:4", "-1:0:0", "a:b:c", "0:0:1/3", f"0:0:{LARGE}", f"{10**30}:0:0"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time such as"):
        seconds_of_clock(text)


def test_the_form_comes_before_the_number() -> None:
    """In a process of its own: the interpreter cannot be interrupted while it computes a power."""
    program = (
        "from schemas.numerals import *\n"
        "for read in (number_of, whole_number_of, seconds_of_clock):\n"
        f"    for text in ('{LARGE}', '0:0:{LARGE}'):\n"
        "        try: read(text)\n"
        "        except ValueError: continue\n"
        "        raise SystemExit('it was read')\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300, check=True)
