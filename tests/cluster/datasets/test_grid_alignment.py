"""Rows of GRID's alignments."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cluster.datasets.grid_alignment import AlignedRow, aligned_row, aligned_words
from schemas.spoken_words import SpokenWord


def test_silence_is_no_word() -> None:
    words = aligned_words("0 23750 sil\n23750 29500 bin\r\n29500 31000 sp\n\n31000 34001 blue\n34001 90000 SIL\n", 3)
    assert words == (
        SpokenWord("bin", Fraction(19, 20), Fraction(59, 50)),
        SpokenWord("blue", Fraction(31, 25), Fraction(34001, 25000)),
    )
    assert aligned_row(" 0  25000 sp ") == AlignedRow("sp", Fraction(0), Fraction(1))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 1 sil\nbin 1 2\n", "line 2: 'bin 1 2' is not a word with a start and an end"),
        ("0 25000 bin\n9999999999999 1 blue", "line 2: .* is not a word"),
        ("\n25000 25000 bin", "line 2: 'bin' must end after it starts"),
        ("50000 75001 bin", "line 1: 'bin' ends at 3.00004 s, after the clip of 3 s"),
        ("25000 50000 bin\n24000 50000 blue", "line 2: word 'blue' starts before 'bin'"),
        ("0 75000 sil\n", "it has no words"),
        ("", "it has no words"),
    ],
)
def test_what_is_no_alignment(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        aligned_words(text, 3)
