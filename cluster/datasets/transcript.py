"""Transcripts as LRS2 and LRS3 have them beside their videos: a sentence, and perhaps when its words are spoken.

    Text:  A LOT OF PEOPLE
    Conf:  4

    WORD START END ASDSCORE
    A 0.11 0.15 5.2
    …

Times are seconds. Without `Text:`, a file of one line is the sentence. Other lines, as LRS3 has many, mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.datasets.label_cells import shown
from cluster.datasets.sentence_cells import sentence_of, words_of
from schemas.spoken_words import SpokenWord

SENTENCE = "Text:"
HEADER = ["WORD", "START", "END"]


@dataclass(frozen=True)
class Transcript:
    """A sentence, and its words where their times are known."""

    text: str
    words: tuple[SpokenWord, ...] = ()


def is_transcript(text: str) -> bool:
    """Whether a text file says that it is one."""
    return text.lstrip("\ufeff \t\r\n").startswith(SENTENCE)


def read_transcript(text: str) -> Transcript:
    """The transcript that a file holds. Raises `ValueError` for what is none, with the line."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    first = lines[0][1]
    if first.startswith(SENTENCE):
        first = first.removeprefix(SENTENCE)
    elif len(lines) > 1:
        raise ValueError(
            f"line {lines[0][0]}: expected {SENTENCE!r} and a sentence, or a sentence alone, not {shown(first)}"
        )
    sentence = sentence_of(first)
    if not sentence:
        raise ValueError(f"line {lines[0][0]}: no sentence")
    header = next((place for place, (_, line) in enumerate(lines) if line.split()[:3] == HEADER), len(lines))
    rows = []
    for number, line in lines[header + 1 :]:
        cells = line.split()
        if len(cells) < len(HEADER):
            raise ValueError(f"line {number}: {shown(line)} is not a word with a start and an end")
        rows.append(cells[:3])
    return Transcript(sentence, words_of(rows, sentence))
