"""JSON to dataclasses and back: every kind of field, and every disagreement by its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from schemas import strict_json
from schemas.strict_json import JsonMismatchError


@dataclass(frozen=True)
class Part:
    """A nested object with a check of its own."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size is {self.size}")


@dataclass(frozen=True)
class Grown:
    """One whose later fields have defaults."""

    size: int
    limit: int = 7
    notes: tuple[str, ...] = field(default_factory=tuple)
    schema_version: int = 3


@dataclass(frozen=True)
class Whole:
    """One field of each kind; `renamed` has another key in the file."""

    text: str
    share: float
    is_set: bool
    limit: int | None
    parts: tuple[Part, ...]
    by_name: Mapping[str, float]
    anything: Any
    renamed: Mapping[str, Part] = field(metadata={"key": "old_name"})
    schema_version: int = 3


WHOLE = Whole("é", 0.5, True, None, (Part(1), Part(2)), {"a": 1.0}, [1, {"x": None}], {"p": Part(3)})
TEXT = """{
  "anything": [
    1,
    {
      "x": null
    }
  ],
  "by_name": {
    "a": 1.0
  },
  "is_set": true,
  "limit": null,
  "old_name": {
    "p": {
      "size": 3
    }
  },
  "parts": [
    {
      "size": 1
    },
    {
      "size": 2
    }
  ],
  "schema_version": 3,
  "share": 0.5,
  "text": "\\u00e9"
}
"""


def load(text: str) -> Whole:
    return strict_json.load(Whole, text, "whole", schema_version=3)


def test_every_kind_of_field_is_written_and_read() -> None:
    assert strict_json.dump(WHOLE) == TEXT
    assert load(TEXT) == WHOLE


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"share": 0.5', '"share": 2', None),  # a whole number where a float is meant
        ('"limit": null', '"limit": 7', None),
        ('"limit": null', f'"limit": 1{"0" * 400}', "not JSON: '1000"),
        ('"limit": null', f'"limit": {"9" * 5_000}', "not JSON: '9999"),
        ('"anything": [', f'"anything": [{"[" * 100_000}', "not JSON: it is nested too deeply"),
        ('"limit": null', '"limit": true', "limit: expected a whole number, got true"),
        ('"share": 0.5', '"share": "0.5"', 'share: expected a number, got "0.5"'),
        ('"share": 0.5', '"share": NaN', "share: nan is not a finite number"),
        ('"is_set": true', '"is_set": 1', "is_set: expected true or false, got 1"),
        ('"size": 2', '"size": -2', "parts[1]: size is -2"),
        ('"size": 2', '"seize": 2', "parts[1].seize: unknown key; did you mean 'size'?"),
        ('"size": 2', '"size": []', "parts[1].size: expected a whole number, got []"),
        ('"size": 3', '"size": null', "old_name.p.size: expected a whole number, got null"),
        ('"a": 1.0', '"a": "x"', 'by_name.a: expected a number, got "x"'),
        ('"old_name"', '"renamed"', "renamed: unknown key; known keys: anything, by_name, is_set, limit, old_name"),
        ('"old_name"', '"renamed"', "old_name: missing"),
    ],
)
def test_disagreements_are_named_by_their_place(old: str, new: str, problem: str | None) -> None:
    text = TEXT.replace(old, new)
    if problem is None:
        assert load(text) != WHOLE
        return
    with pytest.raises(JsonMismatchError) as caught:
        load(text)
    assert any(found.startswith(problem) for found in caught.value.problems), caught.value.problems


def test_a_document_from_before_a_field_was_added_has_its_default() -> None:
    assert strict_json.load(Grown, '{"size": 1, "schema_version": 3}', "grown", schema_version=3) == Grown(1)


@pytest.mark.parametrize(("text", "problem"), [('{"schema_version": 3}', "size"), ('{"size": 1}', "schema_version")])
def test_no_other_key_may_be_missing(text: str, problem: str) -> None:
    with pytest.raises(JsonMismatchError) as caught:
        strict_json.load(Grown, text, "grown", schema_version=3)
    assert caught.value.problems == (f"{problem}: missing",)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(JsonMismatchError, match=r"^whole: 2 problems\n  - text: .*\n  - is_set: ") as caught:
        load(TEXT.replace('"text": "\\u00e9"', '"text": 1').replace('"is_set": true', '"is_set": null'))
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("text", "problem"), [("{", "not JSON"), ("[]", r"expected an object, got \[\]")])
def test_what_is_no_object_is_refused(text: str, problem: str) -> None:
    with pytest.raises(JsonMismatchError, match=problem):
        load(text)


def test_another_version_is_the_only_problem() -> None:
    with pytest.raises(JsonMismatchError, match="schema_version: 4, this code reads 3") as caught:
        load('{"schema_version": 4, "new_key": 1}')
    assert len(caught.value.problems) == 1


def test_only_instances_of_dataclasses_are_written() -> None:
    for value in (Whole, {"a": 1}):
        with pytest.raises(TypeError, match="is not a dataclass instance"):
            strict_json.dump(value)
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json.dump(Whole("", float("nan"), True, None, (), {}, None, {}))


@dataclass(frozen=True)
class Interval:
    """A part of a video, in seconds."""

    start: int | Fraction
    end: int | Fraction | None
    schema_version: int = 1


@pytest.mark.parametrize("part", [Interval(3, None), Interval(Fraction(1, 3), 7), Interval(0, Fraction(5, 2))])
def test_fractions_are_text(part):
    assert strict_json.load(Interval, strict_json.dump(part), "part", schema_version=1) == part


def test_what_is_no_fraction_is_refused():
    text = '{"start": "1/0", "end": 1.5, "schema_version": 1}'
    with pytest.raises(JsonMismatchError) as caught:
        strict_json.load(Interval, text, "part", schema_version=1)
    assert caught.value.problems == ("start: '1/0' divides by 0", "end: expected a whole number, got 1.5")
