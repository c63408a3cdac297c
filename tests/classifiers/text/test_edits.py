from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.text.edits import edit_pairs
from classifiers.text.error_rates import errors_between

WORDS = st.text("abc", max_size=8)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "pairs"),
    [
        ("bin", "pin", [("b", "p"), ("i", "i"), ("n", "n")]),
        ("at", "a", [("a", "a"), ("t", None)]),
        ("a", "ba", [(None, "b"), ("a", "a")]),
        ("", "", []),
    ],
)
def test_pairs(reference: str, hypothesis: str, pairs: list[tuple[str | None, str | None]]) -> None:
    assert edit_pairs(reference, hypothesis) == pairs


@given(reference=WORDS, hypothesis=WORDS)
def test_they_spell_both_and_are_the_fewest(reference: str, hypothesis: str) -> None:
    pairs = edit_pairs(reference, hypothesis)
    assert "".join(said for said, _ in pairs if said) == reference
    assert "".join(seen for _, seen in pairs if seen) == hypothesis
    errors = errors_between(reference, hypothesis)
    counts = [sum(seen is None for _, seen in pairs), sum(said is None for said, _ in pairs)]
    assert counts == [errors.deletions, errors.insertions]
    assert sum(None not in pair and pair[0] != pair[1] for pair in pairs) == errors.substitutions
