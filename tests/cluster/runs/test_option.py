from __future__ import annotations

import math

import pytest

from cluster.runs.option import TYPES, Option, Rule, named_values, nearest, spelled


@pytest.mark.parametrize(
    ("rule", "value", "problem"),
    [
        (Rule(help="", minimum=1), 0, "must be at least 1, not 0"),
        (Rule(help="", minimum=0, maximum=1), 1.5, "must be between 0 and 1, not 1.5"),
        (Rule(help="", minimum=0, below=1), 1, "must be at least 0 and below 1, not 1"),
        (Rule(help="", above=0, below=math.inf), math.inf, "must be above 0 and finite, not inf"),
        (Rule(help="", above=0, below=math.inf), math.nan, "must be above 0 and finite, not nan"),
        (Rule(help="", maximum=3), 4, "must be at most 3, not 4"),
        (Rule(help="", choices=(1, 3)), 2, "is one of 1, 3, not 2"),
        (Rule(help="", choices=("ray", "local")), "rya", "is one of ray, local, not 'rya'; did you mean ray?"),
        (Rule(help="", must_be="NAME=VALUE", accepts=lambda text: "=" in text), "a", "must be NAME=VALUE, not 'a'"),
        (Rule(help="", filled=True), (), "must not be empty"),
        (Rule(help="", filled=True), ("a", " "), "must not be empty"),
    ],
)
def test_a_rule_names_offender_and_allowed_values(rule, value, problem):
    assert list(rule.problems(value)) == [problem]


def test_what_a_rule_allows_is_no_problem():
    for rule, value in (
        (Rule(help=""), ""),
        (Rule(help="", minimum=0, maximum=1), 1),
        (Rule(help="", above=0, below=math.inf), 1e-9),
        (Rule(help="", choices=("a", "b"), filled=True), ("b", "a")),
    ):
        assert not list(rule.problems(value))


def test_names_are_spelled_with_dashes():
    assert spelled("memory_limit_mib") == "memory-limit-mib"


def test_numbers_of_hundreds_of_digits_are_refused():
    for kind in (int, float):
        found = Option("size", "", kind, False, 1, Rule(help=""))
        assert found.problems(10**400) == [f"takes {TYPES[kind]} of 64 bits"]
        assert found.problems(2**63) == []


def test_the_nearest_name_is_meant():
    assert nearest("inptu", ("output", "input")) == "; did you mean input?"
    assert nearest("zzz", ("output", "input")) == ""


def test_values_are_numbers_lists_or_text():
    texts = ("a=1", "b=0.5", "c=[1,2]", "d=relu", "e=true", "f=x=y", "g=")
    assert named_values("options", texts) == {
        "a": 1,
        "b": 0.5,
        "c": [1, 2],
        "d": "relu",
        "e": True,
        "f": "x=y",
        "g": "",
    }


def test_what_has_no_name_is_told():
    with pytest.raises(ValueError, match="augment are NAME=VALUE, not 'flip', 'blur'"):
        named_values("augment", ("flip", "zoom=1", "blur"))
