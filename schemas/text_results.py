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
class GroupErrors:
    """Errors in the sentences of one group (a speaker, a recording), and how many other videos of it were trained on.

    characters, words  those that were said
    *_errors           edits of them: insertions, deletions and substitutions
    """

    group: str
    videos: int
    characters: int
    character_errors: int
    words: int
    word_errors: int
    training_videos: int

    @property
    def character_error_rate(self) -> float:
        """Edits per character."""
        return self.character_errors / self.characters

    @property
    def word_error_rate(self) -> float:
        """Edits per word."""
        return self.word_errors / self.words


@dataclass(frozen=True, kw_only=True)
class TextResult:
    """The evaluation of a split.

    summary     metrics by name: the loss and the error rates
    worst, best sentences by their share of wrong characters
    characters  confusions of single characters
    visemes     likewise of groups of them that look alike on the lips
    groups      those of the videos, the highest word error rate first; empty where the data have none
    group_count, known_groups  how many they are, of which only `MAX_GROUPS` are listed; how many have training videos
    """

    name: str
    videos: int
    seconds: float
    summary: Mapping[str, float | None]
    worst: tuple[ReadSentence, ...]
    best: tuple[ReadSentence, ...]
    characters: TextConfusion
    visemes: TextConfusion
    groups: tuple[GroupErrors, ...] = ()
    group_count: int = 0
    known_groups: int = 0
