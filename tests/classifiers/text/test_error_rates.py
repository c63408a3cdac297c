"""Error rates against golden numbers, and against the table of distances in full."""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from classifiers.text.error_rates import ErrorRates, Errors, errors_between

GOLDEN = json.loads((Path(__file__).parents[2] / "fixtures/parity/error_rates.json").read_text())


def rates_of(pairs: list[tuple[str, str]]) -> ErrorRates:
    rates = ErrorRates()
    for reference, hypothesis in pairs:
        rates.update(reference, hypothesis)
    return rates


@cache
def best_by_recursion(reference: str, hypothesis: str) -> tuple[int, int, int, int]:
    """Of all sets of edits the least: all of them, substitutions, insertions, deletions."""
    if not reference or not hypothesis:
        return len(reference) + len(hypothesis), 0, len(hypothesis), len(reference)
    different = reference[0] != hypothesis[0]
    ways = (
        (best_by_recursion(reference[1:], hypothesis[1:]), (different, different, 0, 0)),
        (best_by_recursion(reference, hypothesis[1:]), (1, 0, 1, 0)),
        (best_by_recursion(reference[1:], hypothesis), (1, 0, 0, 1)),
    )
    return min((a + e, b + f, c + g, d + h) for (a, b, c, d), (e, f, g, h) in ways)


@pytest.mark.parametrize("pair", GOLDEN["pairs"], ids=lambda pair: pair["hyp"] or "empty")
def test_a_text_has_the_golden_errors(pair: dict[str, object]):
    rates = rates_of([(str(pair["ref"]), str(pair["hyp"]))])
    assert (rates.characters.total, rates.characters.length) == (pair["char_edits"], pair["chars"])
    assert (rates.words.total, rates.words.length) == (pair["word_edits"], pair["words"])
    assert (rates.characters.rate, rates.words.rate) == (pair["cer"], pair["wer"])


def test_a_corpus_has_the_golden_rates_however_it_is_distributed():
    pairs = [(pair["ref"], pair["hyp"]) for pair in GOLDEN["pairs"]]
    merged = rates_of(pairs[:3])
    merged.merge(rates_of(pairs[3:]).state())
    for rates in (rates_of(pairs), merged):
        assert rates.characters.rate == pytest.approx(GOLDEN["corpus"]["cer_micro"])
        assert rates.words.rate == pytest.approx(GOLDEN["corpus"]["wer_micro"])
        assert rates.mean_character_error_rate == pytest.approx(GOLDEN["corpus"]["cer_macro"])
        assert rates.mean_word_error_rate == pytest.approx(GOLDEN["corpus"]["wer_macro"])
        assert (rates.sentences, rates.sentence_accuracy) == (8, 1 / 8)


def test_edits_are_the_fewest_with_the_fewest_substitutions():
    texts = ["abcab", *("".join(letters) for size in range(4) for letters in product("ab", repeat=size)), "cab", "bca"]
    for reference, hypothesis in product(texts, texts):
        total, substitutions, insertions, deletions = best_by_recursion(reference, hypothesis)
        errors = errors_between(reference, hypothesis)
        assert errors == Errors(insertions, deletions, substitutions, len(reference))
        assert errors.total == total


def test_kinds_of_errors():
    assert errors_between(["bin", "blue", "at", "f"], ["bin", "red", "at", "at", "f"]) == Errors(1, 0, 1, 4)
    assert errors_between(["place", "green", "in", "q"], ["place", "in", "r"]) == Errors(0, 1, 1, 4)


def test_composed_and_decomposed_texts_are_equal_and_capitals_are_not():
    assert rates_of([("café", "cafe\u0301")]).sentence_accuracy == 1
    assert rates_of([("Bin", "bin")]).characters == Errors(0, 0, 1, 3)


def test_an_empty_reference_counts_insertions_but_has_no_rate():
    rates = rates_of([("", "a bc")])
    assert rates.words == Errors(2, 0, 0, 0)
    assert (rates.words.rate, rates.mean_word_error_rate, rates.sentence_accuracy) == (None, None, 0)
    rates.update("a", "a")
    assert (rates.words.rate, rates.mean_word_error_rate, rates.sentence_accuracy) == (2, 0, 0.5)
    assert ErrorRates().sentence_accuracy is None
