"""Cells of a manifest that hold a spoken sentence, and when each of its words is spoken.

In: text; and a list of [word, start, end], in seconds after the first frame of the video, as such or as JSON writes it.
Out: both in Unicode's composed form (NFC), the blanks between words being one space each. `ValueError` says what is
wrong with a cell.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from cluster.datasets.label_cells import checked_text, shown
from cluster.datasets.time_cells import seconds_of
from schemas import strict_json
from schemas.spoken_words import SpokenWord
from schemas.text import visible

MAX_WORDS = 4096  # of a sentence
FORM = 'a list of [word, start, end] in seconds, such as [["bin", 0.92, 1.16]]'


def sentence_of(value: Any) -> str:
    """The sentence of a cell, empty for an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"text must be text, not {shown(value)}")
    sentence = unicodedata.normalize("NFC", " ".join(checked_text(str(value), "text").split()))
    if visible(sentence, kept="") != sentence:
        raise ValueError(f"text {shown(sentence)} has invisible characters, which are no text: remove them")
    return sentence


def words_of(value: Any, sentence: str) -> tuple[SpokenWord, ...]:
    """The words of a cell, none for an empty one; they are those of the `sentence`, one after another."""
    if value is None or value == "":
        return ()
    rows = _parsed(value) if isinstance(value, str) else value
    if not isinstance(rows, list):
        raise ValueError(f"words must be {FORM}, not {shown(value)}")
    if len(rows) > MAX_WORDS:
        raise ValueError(f"there are {len(rows):,} words, at most {MAX_WORDS:,}")
    words = tuple(_word(row) for row in rows)
    check_words(words, sentence)
    return words


def check_words(words: Sequence[SpokenWord], sentence: str) -> None:
    """Raise `ValueError` for words that do not spell the sentence, or do not follow one another."""
    if words and [one.word for one in words] != sentence.split(" "):
        spelled = " ".join(one.word for one in words)
        raise ValueError(f"the words are {shown(spelled)}, and the text is {shown(sentence)}: they must agree")
    for before, word in pairwise(words):
        if word.start_seconds < before.start_seconds:
            raise ValueError(f"word {word.word!r} starts before {before.word!r}, which it follows")


def _parsed(cell: str) -> Any:
    try:
        return strict_json.parse(cell)
    except ValueError:
        raise ValueError(f"words must be {FORM}, not {shown(cell)}") from None


def _word(row: Any) -> SpokenWord:
    if not isinstance(row, list | tuple) or len(row) != 3 or not isinstance(row[0], str):
        raise ValueError(f"words must be {FORM}: {shown(row)} is none")
    word = sentence_of(row[0])
    if not word or " " in word:
        raise ValueError(f"{shown(row[0])} is not one word")
    start, end = (
        seconds_of(row[1], f"the start of word {shown(word)}"),
        seconds_of(row[2], f"the end of word {shown(word)}"),
    )
    if start is None or end is None or end <= start:
        raise ValueError(f"word {shown(word)} must end after it starts, not {shown(row[1:])}")
    return SpokenWord(word, start, end)
