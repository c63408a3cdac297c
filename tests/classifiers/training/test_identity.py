"""Which records are of the same training."""

from __future__ import annotations

from classifiers.training.identity import TrainingIdentity

IDENTITY = TrainingIdentity(
    {"epochs": 3, "seed": 0, "code_range": None, "data.labels": "a1"}, frozenset({"seed", "code_range", "data.labels"})
)


def test_a_record_of_the_same_values_does_not_differ() -> None:
    assert IDENTITY.differences(IDENTITY.values) == []


def test_a_record_of_a_release_that_lacked_an_option_has_its_default() -> None:
    assert IDENTITY.differences({"epochs": 3, "seed": 0}) == []


def test_every_other_value_differs() -> None:
    assert IDENTITY.differences({"epochs": 4, "seed": 1, "data.labels": "b2", "balance": True}) == [
        "balance was True, is None",
        "data.labels was 'b2', is 'a1'",
        "epochs was 4, is 3",
        "seed was 1, is 0",
    ]


def test_a_record_that_lacks_a_value_which_was_given_differs() -> None:
    given = TrainingIdentity({"epochs": 3, "code_range": "-1..3"})
    assert given.differences({"epochs": 3}) == ["code_range was None, is '-1..3'"]
