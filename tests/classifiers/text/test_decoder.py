"""Which decoder the options choose."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from classifiers.text.beam import WordScores
from classifiers.text.decoder import TextDecoder
from classifiers.text.lexicon import free_lexicon

AB = Alphabet(("a", "b", " "), blank=3)
# The best path says nothing, the best sequence is "a".
STEPS = np.log(np.array([[0.4, 0.05, 0.05, 0.5]] * 2))


def text(decoder: TextDecoder) -> str:
    return AB.decode(decoder.labels(STEPS))


def test_the_best_path_the_best_sequence_or_the_best_sentence() -> None:
    assert text(TextDecoder(AB)) == ""
    assert text(TextDecoder(AB, beam=10)) == "a"
    words = free_lexicon(["b"], AB)
    assert text(TextDecoder(AB, beam=10, lexicon=words)) == ""
    assert text(TextDecoder(AB, beam=10, lexicon=words, word_scores=WordScores(word_bonus=9.0))) == "b"


def test_options_that_do_not_go_together_are_all_named() -> None:
    with pytest.raises(ValueError, match="beam is -1") as raised:
        TextDecoder(AB, beam=-1, word_scores=WordScores())
    assert "need a lexicon" in str(raised.value)
    with pytest.raises(ValueError, match="a lexicon needs a beam") as raised:
        TextDecoder(LIPNET_ALPHABET, lexicon=free_lexicon(["b"], AB))
    assert "another alphabet" in str(raised.value)
