"""Alignments of the GRID corpus: a file `.align` has a row `START END WORD` for each word, in 1/25000 s.

`sil` and `sp` are silence and no words. Reference: https://spandh.dcs.shef.ac.uk/gridcorpus
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from cluster.datasets.label_cells import shown
from cluster.datasets.sentence_cells import check_words
from schemas.spoken_words import SpokenWord
from schemas.videos import seconds_text, whole_microseconds

UNITS_PER_SECOND = 25_000
SILENCE = ("sil", "sp")
ROW = re.compile(r"\s*(\d{1,12})\s+(\d{1,12})\s+(\S+)\s*")
FOLDERS = ("align", "aligns", "alignment", "alignments")


@dataclass(frozen=True)
class AlignedRow:
    """A row of an alignment."""

    word: str
    start_seconds: Fraction
    end_seconds: Fraction

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said."""
        return self.word.lower() in SILENCE


def aligned_row(line: str) -> AlignedRow:
    """A line of an alignment. Raises `ValueError` for what is none."""
    row = ROW.fullmatch(line)
    if row is None:
        raise ValueError(f"{shown(line)} is not a word with a start and an end")
    start, end = (Fraction(int(time), UNITS_PER_SECOND) for time in row.groups()[:2])
    return AlignedRow(row[3], start, end)


def aligned_words(text: str, clip_seconds: int) -> tuple[SpokenWord, ...]:
    """The words of an alignment, of a clip that lasts `clip_seconds`.

    Raises:
        ValueError: with the line of a row that is none, ends before it starts, starts before the one before it, or ends
            after the clip.
    """
    words: list[SpokenWord] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = aligned_row(line)
            if row.is_silent:
                continue
            start, end = whole_microseconds(row.start_seconds), whole_microseconds(row.end_seconds)
            if end <= start:
                raise ValueError(f"{row.word!r} must end after it starts")
            if end > clip_seconds:
                raise ValueError(f"{row.word!r} ends at {seconds_text(end)} s, after the clip of {clip_seconds} s")
            words.append(SpokenWord(row.word, start, end))
            check_words(words[-2:], " ".join(one.word for one in words[-2:]))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if not words:
        raise ValueError("it has no words")
    return tuple(words)
