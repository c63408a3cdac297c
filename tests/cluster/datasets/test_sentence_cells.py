"""Sentences and their words, from the cells of a manifest."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from cluster.datasets.sentence_cells import MAX_WORDS, sentence_of, words_of
from schemas.spoken_words import SpokenWord

BIN, BLUE = SpokenWord("bin", Fraction(23, 25), Fraction(29, 25)), SpokenWord("blue", Fraction(29, 25), 2)


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (None, ""),
        ("  \n", ""),
        ("  bin \u00a0 blue\tat\n", "bin blue at"),
        ("cafe\u0301 ЙОД", "café ЙОД"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("I'LL", "I'LL"),
        (7, "7"),
    ],
)
def test_a_sentence_is_composed_with_single_spaces(cell: Any, sentence: str) -> None:
    assert sentence_of(cell) == sentence


@pytest.mark.parametrize("cell", ["a\x00b", "a\u202eb", "\ud800", "x" * 200_000, True, 1.5, ["a"]])
def test_what_is_no_sentence(cell: Any) -> None:
    with pytest.raises(ValueError, match=r"^text "):
        sentence_of(cell)


@pytest.mark.parametrize("as_json", [True, False])
def test_words(as_json: bool) -> None:
    rows = [["bin", 0.92, "1.16"], ["blue", 1.16, 2]]
    assert words_of(json.dumps(rows) if as_json else rows, "bin blue") == (BIN, BLUE)
    assert words_of("", "bin blue") == words_of(None, "") == ()
    assert words_of([["cafe\u0301", 0, 1]], "café") == (SpokenWord("café", 0, 1),)


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("bin 0.92 1.16", "words must be a list of .word, start, end. in seconds, .* not 'bin"),
        ({"bin": 1}, "not {'bin': 1}"),
        ('{"bin": 1}', "not '{"),
        ([["bin", 0.92]], r"\['bin', 0.92\] is none"),
        ([[1, 0.92, 1]], "is none"),
        (["bin"], "'bin' is none"),
        ([["bin blue", 0, 1]], "'bin blue' is not one word"),
        ([["bin", -1, 1], ["blue", 1, 2]], "the start of word 'bin' must be a number of seconds"),
        ([["bin", 1, "1e999999999"], ["blue", 1, 2]], "the end of word 'bin' must be a number of seconds"),
        ([["bin", 1, None], ["blue", 1, 2]], "word 'bin' must end after it starts, not .1, None."),
        ([["bin", 1, 1.0000001], ["blue", 1, 2]], "word 'bin' must end after it starts"),
        ([["bin", 1, 2], ["blue", 0.5, 2]], "'blue' starts before 'bin'"),
        ([["bin", 1, 2]], "the words are 'bin', and the text is 'bin blue'"),
        ([["a", 0, 1]] * (MAX_WORDS + 1), "there are 4,097 words, at most 4,096"),
        ("[" * 100_000, "words must be"),
    ],
)
def test_what_is_no_list_of_words(cell: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        words_of(cell, "bin blue")
