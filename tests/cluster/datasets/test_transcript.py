"""Transcripts of LRS."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cluster.datasets.transcript import Transcript, is_transcript, read_transcript
from schemas.spoken_words import SpokenWord

LRS3 = """Text:  IT'S  A
Conf:  4
Ref:   0Fi83BHQsMA

FRAME X Y W H
000000 0.396 0.222 0.238 0.422

WORD START END ASDSCORE
IT'S 0.11 0.5 5.2
A 0.5 0.62
"""


def test_a_transcript_has_a_sentence_and_perhaps_words() -> None:
    words = (SpokenWord("IT'S", Fraction(11, 100), Fraction(1, 2)), SpokenWord("A", Fraction(1, 2), Fraction(31, 50)))
    assert read_transcript(LRS3) == Transcript("IT'S A", words)
    assert read_transcript("Text: IT'S A\nConf: 4\n") == Transcript("IT'S A")
    assert read_transcript("\n  cafe\u0301 noir \n") == Transcript("café noir")
    assert is_transcript("\ufeff\nText: A")
    assert not is_transcript("a list\nof videos")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n", "it is empty"),
        ("bin\nblue\n", "line 1: expected 'Text:' and a sentence, or a sentence alone, not 'bin'"),
        ("\nText:  \nConf: 4\n", "line 2: no sentence"),
        ("Text: A\nWORD START END\nA 0.1\n", "line 3: 'A 0.1' is not a word with a start and an end"),
        ("Text: A\nWORD START END\nA 0.1 0.1\n", "word 'A' must end after it starts"),
        ("Text: A B\nWORD START END\nA 0.1 0.2\n", "the words are 'A', and the text is 'A B'"),
        ("Text: A\nWORD START END\nA one two\n", "the start of word 'A' must be a number of seconds"),
    ],
)
def test_what_is_no_transcript(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        read_transcript(text)
