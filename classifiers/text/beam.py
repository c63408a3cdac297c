"""Prefix beam search in a lexicon: the most probable sentences, by the network, a language model and a word bonus.

In: log-probabilities (T, K) as for `ctc`, and a `Lexicon`. Out: `Transcript`s, the best first. A sentence's score is

    log P_ctc(sentence) + lm_weight * log P_lm(sentence) + word_bonus * (number of words)

in natural logarithms, P_ctc being the sum over all paths that spell it. Words count for the language model once they
are complete, its end at the end of the video. T steps, K outputs.

Prefixes that cannot become a sentence in the steps that are left are dropped, so that the beam never ends without one.
A wide enough beam keeps all others: then scores are exact.

Source: Hannun, Maas, Jurafsky and Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs" (2014).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from math import exp, inf, isfinite, log1p
from operator import attrgetter

from numpy.typing import ArrayLike

from classifiers.text.arpa import END, LanguageModel, Words
from classifiers.text.ctc import checked
from classifiers.text.lexicon import Lexicon, LexiconError, Node
from schemas.errors import examples

SWEEP_STEPS = 100  # between removals of dropped prefixes, which are kept as they often come back


@dataclass(frozen=True, kw_only=True)
class WordScores:
    """What words add to a sentence's score.

    language_model  None for none
    lm_weight       factor of its natural log-probabilities
    word_bonus      added for each word: language models prefer few words, a bonus makes up for it
    """

    language_model: LanguageModel | None = None
    lm_weight: float = 1.0
    word_bonus: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.lm_weight < inf:
            problems.append(f"lm_weight is {self.lm_weight}, expected a finite number of 0 or more")
        if not isfinite(self.word_bonus):
            problems.append(f"word_bonus is {self.word_bonus}, expected a finite number")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True)
class Transcript:
    """A sentence; logarithms are natural.

    labels           outputs that spell it, for `alignment`
    log_probability  by the network alone
    score            with the language model and the word bonus
    """

    text: str
    labels: tuple[int, ...]
    log_probability: float
    score: float


class LexiconDecoder:
    """Decodes with one lexicon and language model, which are checked once.

    Raises:
        LexiconError: if the language model lacks words of the lexicon.
    """

    def __init__(
        self, lexicon: Lexicon, word_scores: WordScores | None = None, *, width: int = 50, results: int = 1
    ) -> None:
        if width < 1 or results < 1:
            raise ValueError(f"width is {width}, results {results}; expected 1 or more")
        self._lexicon, self._words = lexicon, word_scores or WordScores()
        self._width, self._results = width, results
        model = self._words.language_model
        if model is not None and (lacking := model.lacking(lexicon.words)):
            raise LexiconError(
                "lexicon",
                [f"the language model has no <unk>, and lacks {len(lacking)} of the words: {examples(lacking)}"],
            )

    def decode(self, log_probabilities: ArrayLike) -> list[Transcript]:
        """The best sentences, at most `results`; none if the steps are too few for any."""
        alphabet = self._lexicon.alphabet
        values = checked(log_probabilities, alphabet.blank, alphabet.num_outputs)
        model = self._words.language_model
        beam = [_Prefix(None, self._lexicon.start, 0.0, model.start if model else ())]
        for left, row in zip(range(len(values) - 1, -1, -1), values.tolist(), strict=True):
            beam = heapq.nlargest(self._width, self._step(beam, row, left), key=attrgetter("score"))
            if left % SWEEP_STEPS == SWEEP_STEPS - 1:
                _forget_all_but(beam)
        return self._transcripts(beam)

    def _step(self, beam: list[_Prefix], row: list[float], left: int) -> list[_Prefix]:
        """The prefixes after a step, the same ones and longer ones, that can be finished in the steps `left`."""
        blank = row[self._lexicon.alphabet.blank]
        touched = dict.fromkeys(beam)  # in a fixed order
        for prefix in beam:
            label, on_blank, on_label = prefix.node.label, prefix.on_blank, prefix.on_label
            total = _log_sum(on_blank, on_label)
            prefix.next_blank = total + blank
            if label is not None:
                prefix.next_label = _log_sum(prefix.next_label, on_label + row[label])
            for following, node in prefix.node.arcs.items():
                grown = (on_blank if following == label else total) + row[following]  # a repeat needs a blank between
                if grown == -inf:
                    continue
                longer = prefix.longer.get(following) or self._grow(prefix, following, node)
                longer.next_label = _log_sum(longer.next_label, grown)
                touched[longer] = None
        return [prefix for prefix in touched if prefix.advance(left)]

    def _grow(self, prefix: _Prefix, label: int, node: Node) -> _Prefix:
        """The prefix with one more label; a space completes a word."""
        extra, context = prefix.extra, prefix.context
        if label == self._lexicon.alphabet.space:
            extra, context = self._with_word(prefix)
        prefix.longer[label] = _Prefix(prefix, node, extra, context)
        return prefix.longer[label]

    def _with_word(self, prefix: _Prefix) -> tuple[float, Words]:
        """What the complete words add to the score, the last one among them, and the context of the next."""
        word, context = prefix.node.word, prefix.context
        if word is None:  # no words at all
            return prefix.extra, context
        extra = prefix.extra + self._words.word_bonus
        if self._words.language_model is not None:
            log_probability, context = self._words.language_model.score(context, word)
            extra += self._words.lm_weight * log_probability
        return extra, context

    def _transcripts(self, beam: list[_Prefix]) -> list[Transcript]:
        found = []
        for prefix in beam:
            if not prefix.node.may_end:
                continue
            extra, context = self._with_word(prefix)
            if self._words.language_model is not None:
                extra += self._words.lm_weight * self._words.language_model.score(context, END)[0]
            labels, mass = prefix.labels(), _log_sum(prefix.on_blank, prefix.on_label)
            found.append(Transcript(self._lexicon.alphabet.decode(labels), labels, mass, mass + extra))
        return heapq.nlargest(self._results, found, key=attrgetter("score"))


class _Prefix:
    """The labels from the start to a node: its parent's and the node's own.

    on_blank, on_label      log of the sum over its paths that end in a blank, in its last label
    next_blank, next_label  likewise after the step in work
    extra, context          what its complete words add to the score; those the next one depends on
    """

    __slots__ = (
        *("parent", "node", "extra", "context", "longer", "score"),
        *("on_blank", "on_label", "next_blank", "next_label"),
    )

    def __init__(self, parent: _Prefix | None, node: Node, extra: float, context: Words) -> None:
        self.parent, self.node, self.extra, self.context = parent, node, extra, context
        self.longer: dict[int, _Prefix] = {}
        self.score = -inf
        self.on_blank, self.on_label = 0.0 if parent is None else -inf, -inf
        self.next_blank, self.next_label = -inf, -inf

    def advance(self, left: int) -> bool:
        """Take the step in work; whether a sentence can still come of it in the steps `left`."""
        self.on_blank, self.on_label = self.next_blank, self.next_label
        self.next_blank = self.next_label = -inf
        self.score = _log_sum(self.on_blank, self.on_label) + self.extra
        return (self.on_label > -inf and self.node.steps <= left) or (
            self.on_blank > -inf and self.node.steps_after_blank <= left
        )

    def labels(self) -> tuple[int, ...]:
        """Its labels in their order."""
        labels, prefix = [], self
        while prefix.parent is not None and prefix.node.label is not None:
            labels.append(prefix.node.label)
            prefix = prefix.parent
        return tuple(reversed(labels))


def _forget_all_but(beam: list[_Prefix]) -> None:
    """Drop the prefixes from which none in the beam has grown, so that memory does not grow with them."""
    kept: set[_Prefix] = set()
    for prefix in beam:
        one: _Prefix | None = prefix
        while one is not None and one not in kept:
            kept.add(one)
            one = one.parent
    for prefix in kept:
        prefix.longer = {label: longer for label, longer in prefix.longer.items() if longer in kept}


def _log_sum(a: float, b: float) -> float:
    """The logarithm of the sum of two numbers, of their logarithms."""
    if a < b:
        a, b = b, a
    return a if b == -inf else a + log1p(exp(b - a))
