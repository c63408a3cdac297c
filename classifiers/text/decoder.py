"""How log-probabilities become text: greedily, by a prefix beam search, or in a lexicon with a language model.

In: log-probabilities (T, K) as for `ctc`. Out: the labels of the text. T steps, K outputs.

| beam | lexicon | decoder |
|---|---|---|
| 0 | none | the most probable path (`ctc.greedy`) |
| above 0 | none | the most probable sequence (`ctc.prefix_beam_search`) |
| above 0 | given | the best sentence of its words (`beam.LexiconDecoder`), none where the steps are too few for any |
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from classifiers.text.alphabet import Alphabet
from classifiers.text.beam import LexiconDecoder, WordScores
from classifiers.text.ctc import greedy, prefix_beam_search
from classifiers.text.lexicon import Lexicon


class TextDecoder:
    """Decodes with one alphabet.

    beam         prefixes that each step keeps; 0 for greedy decoding
    lexicon      of the same alphabet
    word_scores  what words add to the score of a sentence of the lexicon

    Raises:
        ValueError: for options that do not go together.
        LexiconError: if the language model lacks words of the lexicon.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        *,
        beam: int = 0,
        lexicon: Lexicon | None = None,
        word_scores: WordScores | None = None,
    ) -> None:
        problems = []
        if beam < 0:
            problems.append(f"beam is {beam}, expected 0 (greedy) or more")
        if lexicon is not None and not beam:
            problems.append("a lexicon needs a beam of 1 or more")
        if lexicon is not None and lexicon.alphabet != alphabet:
            problems.append("the lexicon is spelled in another alphabet")
        if word_scores is not None and lexicon is None:
            problems.append("a language model and a word bonus need a lexicon")
        if problems:
            raise ValueError("; ".join(problems))
        self.alphabet = alphabet
        self._beam = beam
        self._sentences = None if lexicon is None else LexiconDecoder(lexicon, word_scores, width=beam)

    def labels(self, log_probabilities: ArrayLike) -> tuple[int, ...]:
        """The labels of the text."""
        if self._sentences is not None:
            found = self._sentences.decode(log_probabilities)
            return found[0].labels if found else ()
        if self._beam:
            (best,) = prefix_beam_search(log_probabilities, self.alphabet.blank, width=self._beam)
            return best.labels
        return greedy(log_probabilities, self.alphabet.blank).labels
