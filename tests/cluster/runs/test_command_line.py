from __future__ import annotations

from dataclasses import dataclass

import pytest

from cluster.runs.command_line import (
    HELP_WIDTH,
    UsageError,
    named_values,
    option,
    option_of,
    parse,
    parse_or_exit,
    usage,
)


@dataclass(frozen=True)
class Config:
    """An option of each kind."""

    input: str = option("where videos are")
    colour: str = option("what to like", "red", choices=("red", "green"))
    name_tag: str | None = option("any text", None)
    count: int = option("a whole number", 3)
    limit: int | None = option("or none", None)
    ratio: float = option("a number", 0.5)
    quiet: bool = option("no noise", False)
    codes: tuple[str, ...] | None = option("some of them", None, choices=("missing", "empty"))
    words: tuple[str, ...] = option("any words", ())

    def __post_init__(self) -> None:
        """Check the count."""
        if self.count < 0:
            raise ValueError(f"count must not be negative, but is {self.count}")


def problems(line: str) -> tuple[str, ...]:
    with pytest.raises(UsageError) as caught:
        parse(Config, line.split())
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_defaults_hold_where_nothing_is_given():
    assert parse(Config, ["--input", "a"]) == Config("a")


def test_every_kind_of_value_is_understood():
    line = "--input a b=c --colour green --name-tag=x=y --count -0 --limit 7 --ratio 1e-3 --quiet --codes empty missing"
    arguments = line.replace("a b=c", "a_b=c").split()
    assert parse(Config, arguments) == Config("a_b=c", "green", "x=y", 0, 7, 0.001, True, ("empty", "missing"))


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        ([], None),
        (["--codes"], ()),
        (["--codes", "empty"], ("empty",)),
        (["--codes=empty", "missing"], ("empty", "missing")),
    ],
)
def test_a_list_has_none_one_or_many_values(arguments, codes):
    assert parse(Config, ["--input", "a", *arguments]).codes == codes


def test_an_option_ends_where_the_next_begins():
    config = parse(Config, ["--words", "a", "b", "--quiet", "--input", "c"])
    assert (config.words, config.quiet, config.input) == (("a", "b"), True, "c")


def test_values_may_hold_anything():
    for value in ("", " ", "-1", "=", "a=b", "é\n", "--x"):
        assert parse(Config, [f"--input={value}"]).input == value


def test_everything_wrong_is_told_at_once():
    assert problems(
        "stray --inptu a --colour gren --count 1.5 --ratio half --quiet yes --codes mising empty --limit 1 2 "
        "--name-tag --limit 3 --zzz"
    ) == (
        "'stray' belongs to no option",
        "unknown option --inptu; did you mean --input?",
        "--colour is one of red, green, not 'gren'; did you mean green?",
        "--count takes a whole number, not '1.5'",
        "--ratio takes a number, not 'half'",
        "--quiet takes no value, but 'yes' follows it",
        "--codes is one of missing, empty, not 'mising'; did you mean missing?",
        "--limit takes one value, not 2",
        "--name-tag takes one value, not 0",
        "--limit is given twice",
        "unknown option --zzz",
        "--input is required: where videos are",
    )


def test_values_that_the_configuration_refuses_are_told_beside_the_rest():
    assert problems("--input a --count -1 --quit") == (
        "unknown option --quit; did you mean --quiet?",
        "count must not be negative, but is -1",
    )


def test_a_required_option_without_a_value_is_one_problem():
    assert problems("--input") == ("--input takes one value, not 0",)


def test_help_tells_every_option_with_its_values_and_default():
    text = usage(Config, "What it does. " * 20)
    assert all(len(line) <= HELP_WIDTH for line in text.splitlines())
    for line in (
        "  --input STR\n        where videos are (required)",
        "  --colour STR\n        what to like (red | green) [default: red]",
        "  --limit INT\n        or none",
        "  --ratio FLOAT\n        a number [default: 0.5]",
        "  --quiet\n        no noise",
        "  --codes VALUE …\n        some of them (missing | empty)",
    ):
        assert f"{line}\n" in f"{text}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--input", "a", "--nonsense", "--help"]])
def test_help_is_printed_and_nothing_else_happens(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_or_exit(Config, "What it does.", arguments)
    assert caught.value.code == 0
    assert capsys.readouterr().out == usage(Config, "What it does.") + "\n"


def test_a_job_prints_its_problems_and_exits_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_or_exit(Config, "What it does.", ["--coun", "1"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: unknown option --coun; did you mean --count?",
        "error: --input is required: where videos are",
        "--help lists all options",
    ]


def test_a_job_goes_on_with_a_good_line():
    assert parse_or_exit(Config, "What it does.", ["--input", "a"]) == Config("a")


@dataclass(frozen=True)
class Whole:
    """What hands an option on to a part."""

    place: str = option_of(Config, "input")
    colour: str = option_of(Config, "colour")


def test_an_option_of_another_configuration_is_the_same_here():
    assert parse(Whole, ["--place", "a"]) == Whole("a", "red")
    with pytest.raises(UsageError, match="--place is required: where videos are"):
        parse(Whole, ["--colour", "red"])
    with pytest.raises(UsageError, match="--colour is one of red, green"):
        parse(Whole, ["--place", "a", "--colour", "blue"])
    assert "where videos are (required)" in usage(Whole, "")


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
