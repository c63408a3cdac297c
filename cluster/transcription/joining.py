"""Words of windows that overlap → the words of the video, each once.

In: windows in their order, with the words that were read in each (`ReadWord`, in seconds of the video). Out: the words
in their order.

At the seam of two windows, words before the middle of the overlap are those of the first, words after it those of the
second; the middle of a word counts. Windows seldom agree on a time to the frame, nor always on a word: two words at the
same time, one of each window, are one, and the mean of their middles counts for both. A word that is no longer than
half of the overlap is whole in the window that gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from classifiers.inference.lip_reader import ReadWord

TOLERANCE_SECONDS = Fraction(2, 25)  # between two readings of a word that do not even touch


class WordJoiner:
    """Takes windows one after the other; `words` are those of all so far."""

    def __init__(self) -> None:
        self._settled: list[ReadWord] = []
        self._latest: list[ReadWord] = []  # of the last window, after its seam with the one before
        self._stop_seconds: Fraction | None = None

    @property
    def words(self) -> list[ReadWord]:
        """All words, in their order."""
        return [*self._settled, *self._latest]

    def add(self, first_seconds: Fraction, stop_seconds: Fraction, words: Sequence[ReadWord]) -> None:
        """Take the words of the next window, which lasts from `first_seconds` to `stop_seconds`."""
        before, after = self._latest, list(words)
        if self._stop_seconds is not None and first_seconds < self._stop_seconds:
            before, after = at_seam(before, after, (first_seconds + self._stop_seconds) / 2)
        self._settled += before
        self._latest, self._stop_seconds = after, stop_seconds


def at_seam(
    before: Sequence[ReadWord], after: Sequence[ReadWord], seam_seconds: Fraction
) -> tuple[list[ReadWord], list[ReadWord]]:
    """What is left of the words of two windows that overlap around `seam_seconds`."""
    ours, theirs = [_middle(word) for word in before], [_middle(word) for word in after]
    for first, second in list(_same(before, after)):
        ours[first] = theirs[second] = (ours[first] + theirs[second]) / 2
    return (
        [word for word, middle in zip(before, ours, strict=True) if middle < seam_seconds],
        [word for word, middle in zip(after, theirs, strict=True) if middle >= seam_seconds],
    )


def _same(before: Sequence[ReadWord], after: Sequence[ReadWord]) -> Iterator[tuple[int, int]]:
    """The places of words that are one: each the nearest to the other, and at the same time."""
    nearest = [_nearest(word, after) for word in before]
    for place, other in enumerate(nearest):
        if other is None or _nearest(after[other], before) != place:
            continue
        one, two = before[place], after[other]
        apart = max(one.start_seconds, two.start_seconds) - min(one.end_seconds, two.end_seconds)
        if apart <= TOLERANCE_SECONDS:
            yield place, other


def _nearest(word: ReadWord, others: Sequence[ReadWord]) -> int | None:
    return min(range(len(others)), key=lambda place: abs(_middle(others[place]) - _middle(word)), default=None)


def _middle(word: ReadWord) -> Fraction:
    return (word.start_seconds + word.end_seconds) / 2
