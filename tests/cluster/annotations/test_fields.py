from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from cluster.annotations import fields
from schemas.annotations import TimeRange


def test_numbers_are_exact() -> None:
    assert fields.segment_of(["0.10", 0.3]) == TimeRange(Fraction(1, 10), Fraction(3, 10))
    assert fields.frame_of(3.0, 1) == 2
    assert fields.rate_of("30000/1001") == Fraction(30000, 1001)
    assert fields.seconds_of(-1) == -1


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "1e999", 10**30, True, None, "", [1], {"a": 1}, "9" * 99]
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    for read in (fields.seconds_of, fields.frame_of, fields.rate_of):
        with pytest.raises(ValueError, match=r"\S"):
            read(value)


@pytest.mark.parametrize(("value", "base"), [(1.5, 0), (-1, 0), (0, 1), (1 << 60, 0)])
def test_frames_are_whole_and_not_before_the_first(value: Any, base: int) -> None:
    with pytest.raises(ValueError, match=f"count from {base}"):
        fields.frame_of(value, base)


def test_members_say_what_they_should_be() -> None:
    assert fields.member({"a": [1]}, "a", list) == [1]
    assert fields.optional_member({"a": None}, "a", str, "x") == "x"
    for value, message in (
        ({"a": "x"}, "'a' must be a list, not 'x'"),
        ({}, "it has no 'a'"),
        ("x", "expected an object with 'a', not 'x'"),
    ):
        with pytest.raises(ValueError, match=message.replace("[", r"\[")):
            fields.member(value, "a", list)


def test_labels_are_text_without_blanks_at_the_ends() -> None:
    assert fields.label_of("  long  jump ") == "long  jump"
    assert fields.label_of(3) == "3"
    assert fields.text_of(None, "x") == ""
    for value in ("  ", None, True, ["a"], "\ud800", "x" * 200_000):
        with pytest.raises(ValueError, match="label"):
            fields.label_of(value)


def test_unknown_names_come_with_the_nearest_one() -> None:
    assert (
        fields.unknown("tag", "jmup", ["jump", "run"])
        == "it has no tag 'jmup'; did you mean 'jump'? (there: 'jump', 'run')"
    )
    assert fields.unknown("tag", "x", []).endswith("(there: none)")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("ava_train_v2.2", "train"),
        ("video_validation_0000051", "validation"),
        ("kinetics700_validate", "validation"),
        ("x-test", "test"),
        ("testimony", ""),
        ("latest", ""),
    ],
)
def test_splits_are_words_of_a_name(name: str, split: str) -> None:
    assert fields.split_in(name) == split
