"""Times against the best of all paths, and where they are known by construction."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.text.alignment import AlignmentError, align
from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from tests.support.ctc_paths import paths_of, peaked, random_log_probabilities, spelled_by

ABC = Alphabet(("a", "b", " "), blank=3)
FPS = Fraction(25)


def test_characters_and_words_have_the_steps_at_which_they_were_spoken():
    a, b, space, blank = 0, 1, 2, 3
    path = [blank, a, a, blank, a, space, space, blank, b, b, b, blank]
    alignment = align(peaked(path, 4), ABC.encode("aa b"), ABC)
    assert [(one.text, one.first_step, one.last_step) for one in alignment.characters] == [
        ("a", 1, 2),
        ("a", 4, 4),
        (" ", 5, 6),
        ("b", 8, 10),
    ]
    first, second = alignment.words
    assert (first.text, first.first_step, first.last_step) == ("aa", 1, 4)
    assert (second.text, second.start_seconds(FPS), second.end_seconds(FPS)) == ("b", Fraction(8, 25), Fraction(11, 25))
    assert first.probability == pytest.approx(0.9)


def test_a_probability_is_the_geometric_mean_over_the_steps_of_the_characters():
    values = np.log([[0.8, 0.1, 0.05, 0.05], [0.2, 0.1, 0.1, 0.6], [0.1, 0.2, 0.1, 0.6], [0.1, 0.5, 0.1, 0.3]])
    (word,) = align(values, ABC.encode("ab"), ABC).words
    assert word.probability == pytest.approx((0.8 * 0.5) ** 0.5)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 5), data=st.data())
def test_the_path_is_the_best_of_all_that_spell_the_text(seed: int, steps: int, data: st.DataObject):
    values = random_log_probabilities(seed, steps, 4)
    best: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {}
    for path, probability in paths_of(values):
        labels = spelled_by(path, ABC.blank)
        best[labels] = max(best.get(labels, (0.0, ())), (probability, path))
    labels = data.draw(st.sampled_from(sorted(best)))
    expected = best[labels][1]
    path = np.full(steps, ABC.blank)
    for label, one in zip(labels, align(values, labels, ABC).characters, strict=True):
        path[one.first_step : one.last_step + 1] = label
    assert tuple(path) == expected


def test_no_text_has_no_words():
    alignment = align(random_log_probabilities(0, 5, 4), (), ABC)
    assert (alignment.characters, alignment.words) == ((), ())


def test_a_text_that_does_not_fit_is_refused():
    with pytest.raises(AlignmentError, match="3 characters need 4 steps, there are 3"):
        align(random_log_probabilities(0, 3, 4), ABC.encode("aab"), ABC)
    with np.errstate(divide="ignore"):
        never = np.log([[0.0, 1.0, 0.0, 0.0]] * 3)
    with pytest.raises(AlignmentError, match="every path that spells these characters is 0"):
        align(never, ABC.encode("a"), ABC)
    with pytest.raises(ValueError, match="of 4 outputs, the alphabet has 41"):
        align(random_log_probabilities(0, 50, 4), (1,), LIPNET_ALPHABET)
