"""Evaluation of a lip reader on one split: error rates, also by group, confusions, the best and the worst sentences.

In: the texts of videos and what was read of them, batch by batch, with the losses. Out: `summary`, values by name, and
the rest for a report. Like each metric it is streaming and mergeable. Texts are decoded greedily.

The evaluation of an epoch needs the summary and a few examples alone; with `is_full` False, nothing else is computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from classifiers.metrics.group_accuracy import NO_GROUPS, VideoGroups
from classifiers.metrics.group_error_rates import GroupErrorRates
from classifiers.text.edits import edit_pairs
from classifiers.text.error_rates import ErrorRates, errors_between
from classifiers.text.visemes import viseme_of
from schemas.text_results import MAX_SENTENCES, ReadSentence, TextConfusion

EXAMPLES = 2
NOTHING = ""
Pairs = Counter[tuple[str, str]]  # of what was said and what was read, "" for nothing


class TextEvaluation:
    """The metrics of one split.

    rates       of characters, words and sentences
    characters  how often which character was read as which
    groups      the errors by group
    examples    the first sentences by their ids
    """

    def __init__(self, *, is_full: bool, groups: VideoGroups = NO_GROUPS) -> None:
        self._is_full = is_full
        self._loss_sum = 0.0
        self.rates = ErrorRates()
        self.characters: Pairs = Counter()
        self.groups = GroupErrorRates(groups)
        self.examples: list[ReadSentence] = []
        self._worst: list[ReadSentence] = []
        self._best: list[ReadSentence] = []

    @property
    def videos(self) -> int:
        """The number of sentences."""
        return self.rates.sentences

    @property
    def worst(self) -> tuple[ReadSentence, ...]:
        """The sentences with the largest share of wrong characters, those without any left out."""
        return tuple(sentence for sentence in self._worst if sentence.edits)

    @property
    def best(self) -> tuple[ReadSentence, ...]:
        """The sentences with the smallest share of wrong characters; the longest of equal ones first."""
        return tuple(self._best)

    def update(self, texts: Sequence[str], read: Sequence[str], losses: Sequence[float], ids: Sequence[str]) -> None:
        """Add a batch; `ids` of the videos, or none."""
        self._loss_sum += sum(losses)
        names = ids or [""] * len(texts)
        found = []
        for text, other, name in zip(texts, read, names, strict=True):
            self.rates.update(text, other)
            edits = errors_between(text, other).total
            found.append(ReadSentence(id=name, text=text, read=other, edits=edits))
            if self._is_full:
                self.characters.update((said or NOTHING, seen or NOTHING) for said, seen in edit_pairs(text, other))
                self.groups.update(name, text, other)
        self._keep(found)

    def state(self) -> dict[str, Any]:
        """The accumulated state, to be sent to another process."""
        return {
            "loss_sum": self._loss_sum,
            "rates": self.rates.state(),
            "characters": dict(self.characters),
            "groups": self.groups.state(),
            "sentences": [*self.examples, *self._worst, *self._best],
        }

    def merge(self, state: Mapping[str, Any]) -> None:
        """Add the `state` of another worker."""
        self._loss_sum += state["loss_sum"]
        self.rates.merge(state["rates"])
        self.characters.update(state["characters"])
        self.groups.merge(state["groups"])
        self._keep(state["sentences"])

    def summary(self) -> dict[str, float]:
        """The loss and the error rates by name; raises `ValueError` if there were no videos."""
        if not self.videos:
            raise ValueError("there is no sentence to evaluate")
        rates = self.rates
        values = {
            "loss": self._loss_sum / self.videos,
            "character_error_rate": rates.characters.rate,
            "word_error_rate": rates.words.rate,
            "sentence_accuracy": rates.sentence_accuracy,
            "mean_character_error_rate": rates.mean_character_error_rate,
            "mean_word_error_rate": rates.mean_word_error_rate,
        }
        return {name: value for name, value in values.items() if value is not None}

    def confusion(self) -> TextConfusion:
        """Confusions of characters."""
        return _confusion(self.characters)

    def viseme_confusion(self) -> TextConfusion:
        """Confusions of groups of characters that look alike."""
        pairs: Pairs = Counter()
        for (said, seen), count in self.characters.items():
            pairs[viseme_of(said), viseme_of(seen)] += count
        return _confusion(pairs)

    def _keep(self, sentences: Sequence[ReadSentence]) -> None:
        def unique(all_of_them: Sequence[ReadSentence]) -> list[ReadSentence]:
            return list({(one.id, one.text, one.read): one for one in all_of_them}.values())

        self.examples = sorted(unique([*self.examples, *sentences]), key=lambda one: one.id)[:EXAMPLES]
        if self._is_full:
            self._worst = sorted(unique([*self._worst, *sentences]), key=lambda one: (-_share(one), one.id))[
                :MAX_SENTENCES
            ]
            self._best = sorted(
                unique([*self._best, *sentences]), key=lambda one: (_share(one), -len(one.text), one.id)
            )[:MAX_SENTENCES]


def _share(sentence: ReadSentence) -> float:
    """The share of wrong characters."""
    return sentence.edits / max(len(sentence.text), 1)


def _confusion(pairs: Pairs) -> TextConfusion:
    names = [*sorted({name for pair in pairs for name in pair} - {NOTHING}), NOTHING]
    return TextConfusion(names=tuple(names), counts=tuple(tuple(pairs[said, seen] for seen in names) for said in names))
