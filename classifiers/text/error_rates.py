"""Character and word error rates, and the share of exact sentences.

In: pairs of texts, a reference and a hypothesis, in any order. Out: `ErrorRates`: insertions, deletions and
substitutions of characters and of words, and rates over all pairs. Texts are compared in Unicode's composed form (NFC),
otherwise as they are: capitals and every space count. Words are what spaces separate.

Errors are the fewest edits that turn the reference into the hypothesis. Where several sets of edits are the fewest, the
one with the fewest substitutions counts. The rate of a corpus is its errors over the units of its references; the mean
of the rates of single texts leaves those with an empty reference out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNITS = CHARACTERS, WORDS = ("characters", "words")


@dataclass(frozen=True)
class Errors:
    """Edits of references of `length` characters or words altogether."""

    insertions: int
    deletions: int
    substitutions: int
    length: int

    @property
    def total(self) -> int:
        """All edits."""
        return self.insertions + self.deletions + self.substitutions

    @property
    def rate(self) -> float | None:
        """Edits per unit of the references, above 1 where there are many insertions; None without references."""
        return self.total / self.length if self.length else None


def errors_between(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> Errors:
    """The fewest edits from one sequence to the other, in memory of one row of the table of distances."""
    numbers: dict[Hashable, int] = {}
    source, target = (
        np.array([numbers.setdefault(one, len(numbers)) for one in sequence], np.int64)
        for sequence in (reference, hypothesis)
    )
    # A substitution costs `edit + 1`, so that of equally many edits those with the fewest substitutions cost least.
    edit = len(source) + len(target) + 1
    insertions = np.arange(len(target) + 1) * edit
    costs = insertions.copy()  # to each part of the hypothesis, from the part of the reference so far
    for one in source:
        substituted = costs[:-1] + np.where(target == one, 0, edit + 1)
        costs = costs + edit  # deleted
        costs[1:] = np.minimum(costs[1:], substituted)
        costs = np.minimum.accumulate(costs - insertions) + insertions
    total, substitutions = divmod(int(costs[-1]), edit)
    longer = len(target) - len(source)  # insertions less deletions
    inserted = (total - substitutions + longer) // 2
    return Errors(inserted, inserted - longer, substitutions, len(source))


class ErrorRates:
    """The errors of a corpus, text by text; mergeable among workers."""

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[Any]] = {unit: np.zeros(4, np.int64) for unit in UNITS}
        self._sums |= {f"{unit}_rates": np.zeros(2) for unit in UNITS}  # their sum, and how many
        self._sums["sentences"] = np.zeros(2, np.int64)  # all, and the exact ones

    def update(self, reference: str, hypothesis: str) -> None:
        """Add a text."""
        reference, hypothesis = (unicodedata.normalize("NFC", text) for text in (reference, hypothesis))
        self._sums["sentences"] += (1, reference == hypothesis)
        for unit, errors in (
            (CHARACTERS, errors_between(reference, hypothesis)),
            (WORDS, errors_between(reference.split(), hypothesis.split())),
        ):
            self._sums[unit] += (errors.insertions, errors.deletions, errors.substitutions, errors.length)
            if errors.rate is not None:
                self._sums[f"{unit}_rates"] += (errors.rate, 1)

    def state(self) -> dict[str, NDArray[Any]]:
        """The accumulated state, as plain arrays that can be sent to another process."""
        return {name: values.copy() for name, values in self._sums.items()}

    def merge(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add the `state` of another worker."""
        for name in self._sums:
            self._sums[name] = self._sums[name] + state[name]

    @property
    def characters(self) -> Errors:
        """Of all texts; its `rate` is the character error rate (CER)."""
        return Errors(*self._sums[CHARACTERS].tolist())

    @property
    def words(self) -> Errors:
        """Of all texts; its `rate` is the word error rate (WER)."""
        return Errors(*self._sums[WORDS].tolist())

    @property
    def sentences(self) -> int:
        """Texts."""
        return int(self._sums["sentences"][0])

    @property
    def sentence_accuracy(self) -> float | None:
        """The share of texts without an error; None without texts."""
        return int(self._sums["sentences"][1]) / self.sentences if self.sentences else None

    @property
    def mean_character_error_rate(self) -> float | None:
        """The mean of the CER of each text; None without references."""
        return self._mean(CHARACTERS)

    @property
    def mean_word_error_rate(self) -> float | None:
        """The mean of the WER of each text; None without references."""
        return self._mean(WORDS)

    def _mean(self, unit: str) -> float | None:
        total, count = self._sums[f"{unit}_rates"].tolist()
        return total / count if count else None
