"""Sentences and scores against the sum over all paths of small matrices, filtered by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from classifiers.text.arpa import read_arpa
from classifiers.text.beam import LexiconDecoder, WordScores
from classifiers.text.ctc import greedy, log_likelihood
from classifiers.text.grid import grid_lexicon
from classifiers.text.lexicon import LexiconError, free_lexicon, ordered_lexicon
from tests.support.ctc_paths import log_softmax, peaked, random_log_probabilities, sequences_of

EVERYTHING = 10**6
ALPHABET = Alphabet(("a", "b", " "), blank=1)
MODEL = read_arpa(rb"""
\data\
ngram 1=5
ngram 2=3
\1-grams:
-9 <s> -0.4
-0.9 </s>
-0.8 a -0.3
-1.1 ab -0.2
-0.6 bb
\2-grams:
-0.2 <s> bb
-0.1 a a
-0.5 ab </s>
\end\
""")
SENTENCE = "place green in q seven please"


def noisy(text: str, seed: int, noise: float) -> np.ndarray:
    """75 steps of the reported alphabet that spell a text, more or less: two steps a character, blanks after it."""
    generator = np.random.default_rng(seed)
    path = [step for label in LIPNET_ALPHABET.encode(text) for step in (label, label, LIPNET_ALPHABET.blank)]
    path = (path + [LIPNET_ALPHABET.blank] * 75)[: max(75, len(path))]
    return log_softmax(peaked(path, 41) + generator.normal(0, noise, (len(path), 41)))


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 10**6),
    steps=st.integers(0, 5),
    weight=st.sampled_from([0.0, 0.7]),
    bonus=st.sampled_from([0.0, 1.5]),
    is_ordered=st.booleans(),
)
def test_a_wide_beam_gives_every_sentence_its_exact_score(
    seed: int, steps: int, weight: float, bonus: float, is_ordered: bool
):
    values = random_log_probabilities(seed, steps, 4)
    words = ("a", "ab", "bb")
    lexicon = ordered_lexicon([words, ("a",)], ALPHABET) if is_ordered else free_lexicon(words, ALPHABET)
    scores = WordScores(language_model=MODEL, lm_weight=weight, word_bonus=bonus)
    expected = {}
    for labels, probability in sequences_of(values, ALPHABET.blank).items():
        text = ALPHABET.decode(labels)
        spoken = text.split(" ") if text else []
        if all(word in words for word in spoken) and (not is_ordered or spoken[1:] == ["a"]):
            added = weight * MODEL.sentence_score(spoken) + bonus * len(spoken)
            expected[text] = math.log(probability) + added
    found = LexiconDecoder(lexicon, scores, width=EVERYTHING, results=EVERYTHING).decode(values)
    assert {one.text: one.score for one in found} == pytest.approx(expected)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert one.labels == ALPHABET.encode(one.text)
        assert one.log_probability == pytest.approx(log_likelihood(values, one.labels, ALPHABET.blank))


def test_the_grammar_repairs_what_greedy_decoding_gets_wrong():
    decoder = LexiconDecoder(grid_lexicon(LIPNET_ALPHABET), results=3)
    repaired = 0
    for seed in range(5):
        values = noisy(SENTENCE, seed, noise=1.8)
        repaired += LIPNET_ALPHABET.decode(greedy(values, LIPNET_ALPHABET.blank).labels) != SENTENCE
        best = decoder.decode(values)
        assert best[0].text == SENTENCE
        assert best[0].score > best[1].score > best[2].score
    assert repaired == 5


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_narrowest_beam_ends_in_a_sentence(seed: int, width: int):
    """Even of noise, and in the fewest steps that a sentence takes."""
    lexicon = grid_lexicon(LIPNET_ALPHABET)
    for steps in (lexicon.start.steps, 30):
        (found,) = LexiconDecoder(lexicon, width=width).decode(random_log_probabilities(seed, steps, 41))
        assert len(found.text.split()) == 6
    assert LexiconDecoder(lexicon, width=width).decode(random_log_probabilities(seed, steps=19, outputs=41)) == []


def test_a_language_model_decides_between_words_that_look_alike():
    """The lips of "pin" and "bin" are the same: here the network takes p for a little more probable."""
    values = noisy("pin", seed=0, noise=0.0)
    p, b = LIPNET_ALPHABET.encode("pb")
    values[:2, b] = values[:2, p] - 0.5
    lexicon = free_lexicon(["pin", "bin"], LIPNET_ALPHABET)
    model = read_arpa(b"""
\\data\\
ngram 1=4
\\1-grams:
-9 <s>
-1 </s>
-0.2 bin
-1.6 pin
\\end\\
""")
    alone, scored = (
        LexiconDecoder(lexicon, scores, results=2).decode(log_softmax(values))
        for scores in (WordScores(), WordScores(language_model=model))
    )
    assert (alone[0].text, alone[0].score) == ("pin", alone[0].log_probability)
    assert scored[0].text == "bin"
    assert scored[0].score == pytest.approx(scored[0].log_probability - 1.2 * math.log(10))


def test_a_bonus_favours_more_words():
    alphabet, words = Alphabet(("a", "b", " "), blank=3), ["a", "b", "ab"]
    values = np.log([[0.9, 0.02, 0.04, 0.04], [0.04, 0.02, 0.3, 0.64], [0.02, 0.9, 0.04, 0.04]])
    few, many = (
        LexiconDecoder(free_lexicon(words, alphabet), WordScores(word_bonus=bonus)).decode(values)[0]
        for bonus in (0.0, 1.0)
    )
    assert (few.text, many.text) == ("ab", "a b")
    assert many.score == pytest.approx(many.log_probability + 2.0)


def test_forgetting_dropped_prefixes_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    values = noisy(SENTENCE, seed=1, noise=2.5)
    decoder = LexiconDecoder(
        free_lexicon(["a", "in", "q", "green", "gin", "place", "please", "seven", "lace"], LIPNET_ALPHABET),
        WordScores(word_bonus=1.0),
        width=8,
        results=8,
    )
    kept = decoder.decode(values)
    monkeypatch.setattr("classifiers.text.beam.SWEEP_STEPS", 1)
    assert decoder.decode(values) == kept
    assert len({one.text for one in kept}) == len(kept) > 1


def test_a_language_model_must_know_the_words():
    with pytest.raises(LexiconError, match=r"has no <unk>, and lacks 2 of the words: 'aa', 'b'"):
        LexiconDecoder(free_lexicon(["a", "b", "aa"], ALPHABET), WordScores(language_model=MODEL))


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"lm_weight is -1, expected .*; word_bonus is nan, expected a finite number"):
        WordScores(lm_weight=-1, word_bonus=math.nan)
    with pytest.raises(ValueError, match="width is 0, results 1; expected 1 or more"):
        LexiconDecoder(free_lexicon(["a"], ALPHABET), width=0)
    with pytest.raises(ValueError, match="of 4 outputs, the alphabet has 41"):
        LexiconDecoder(grid_lexicon(LIPNET_ALPHABET)).decode(random_log_probabilities(0, 5, 4))
