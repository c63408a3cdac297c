from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace

import pytest

from cluster.runs.option import option
from cluster.runs.options import Options, attempt, groups_of, options_of
from schemas.errors import InputError
from tests.support.options import Config, Numbers


def problems(**given: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        Config.of(**given)
    return caught.value.problems


def test_options_are_flat_and_groups_are_not():
    config = Config.of(input="a", count=4, ratio=1)
    assert config == Config("a", numbers=Numbers(4, ratio=1.0))
    assert list(options_of(Config))[-4:] == ["tag_size", "count", "limit", "ratio"]
    assert config.flat() == {
        "input": "a",
        "colour": "red",
        "name_tag": None,
        "quiet": False,
        "codes": None,
        "words": (),
        "tag_size": 0,
        "count": 4,
        "limit": None,
        "ratio": 1.0,
    }
    assert config.unchanged() == {"colour", "name_tag", "quiet", "codes", "words", "tag_size", "limit"}
    assert groups_of(Config) == {"numbers": Numbers}
    assert config.with_values(count=5) == replace(config, numbers=replace(config.numbers, count=5))


def test_values_are_checked_wherever_they_come_from():
    for make in (lambda: Numbers(limit=100), lambda: Config.of(input="a", limit=100)):
        with pytest.raises(InputError, match="limit must be above 0 and below 100, not 100"):
            make()
    with pytest.raises(InputError, match="colour is one of red, green, not 'gren'; did you mean green"):
        Config("a", colour="gren")
    with pytest.raises(InputError, match="limit 1 is below count 3"):
        Config("a", numbers=Numbers(limit=1))


def test_all_problems_are_told_together():
    assert problems(colour="blue", count=1.5, limit=True, ratio=math.nan, words="a", codes=("empty", 3)) == (
        "colour is one of red, green, not 'blue'",
        "count takes a whole number, not 1.5",
        "limit takes a whole number, not True",
        "ratio must be between 0 and 1, not nan",
        "words takes a list of strings, not 'a'",
        "codes takes a list of strings, not ('empty', 3)",
        "input is required: where videos are",
    )


def test_of_a_list_each_item_is_checked():
    assert problems(input="a", name_tag="n", words=("a", "B", "C")) == (
        "words must be in lower case, not 'B'",
        "words must be in lower case, not 'C'",
    )


@pytest.mark.parametrize("text", ["", " \n"])
def test_text_that_must_be_filled_is(text):
    assert problems(input="a", name_tag=text) == ("name-tag must not be empty",)


@dataclass(frozen=True)
class Fixed(Numbers):
    """A group of which one option is not offered, and another has a default of its own."""

    count: int = 7
    limit: int | None = option(50, help="or none")


def test_a_job_leaves_an_option_of_a_group_out():
    @dataclass(frozen=True)
    class Job(Options):
        numbers: Fixed = field(default_factory=Fixed)

    globals()["Job"] = Job
    assert [found.name for found in options_of(Fixed).values()] == ["limit", "ratio"]
    assert [found.name for found in fields(Fixed)] == ["count", "limit", "ratio"]
    with pytest.raises(TypeError, match="no options count"):
        Fixed.of(count=3)
    assert (Fixed().count, Fixed().limit) == (7, 50)


def test_an_option_is_declared_once():
    @dataclass(frozen=True)
    class Twice(Options):
        ratio: float = option(0.5, help="")
        numbers: Fixed = field(default_factory=Fixed)

    with pytest.raises(TypeError, match="Twice declares options twice: ratio"):
        options_of(Twice)


def test_what_is_attempted_collects_problems():
    found: list[str] = []
    assert attempt(lambda: int("3"), found) == 3
    assert attempt(lambda: Numbers(count=-1, ratio=2.0), found) is None
    assert attempt(lambda: [].index(1), found) is None
    assert found == [
        "count must be at least 0, not -1",
        "ratio must be between 0 and 1, not 2.0",
        "1 is not in list",
    ]
