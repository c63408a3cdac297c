"""What a lip reader read of the sentences of a split, in the training record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_SENTENCES = 8  # of the best, and of the worst


@dataclass(frozen=True, kw_only=True)
class ReadSentence:
    """A sentence as it was spoken, and as it was read; `edits` are the characters in which they differ."""

    id: str
    text: str
    read: str
    edits: int
    uri: str = ""


@dataclass(frozen=True, kw_only=True)
class TextConfusion:
    """How often what was said (rows) was read as what (columns), both of `names`.

    The last name stands for nothing: its row counts what was read and not said, its column what was said and not read.
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class TextResult:
    """The evaluation of a split.

    summary     metrics by name: the loss and the error rates
    worst, best sentences by their share of wrong characters
    characters  confusions of single characters
    visemes     likewise of groups of them that look alike on the lips
    """

    name: str
    videos: int
    seconds: float
    summary: Mapping[str, float | None]
    worst: tuple[ReadSentence, ...]
    best: tuple[ReadSentence, ...]
    characters: TextConfusion
    visemes: TextConfusion
