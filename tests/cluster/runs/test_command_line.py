from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.runs.command_line import complain, parse, parse_or_exit
from cluster.runs.option_help import usage
from schemas.errors import InputError
from tests.support.dataset import ROOT
from tests.support.options import Config, Numbers


def problems(line: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parse(Config, line.split())
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_defaults_hold_where_nothing_is_given():
    assert parse(Config, ["--input", "a"]) == Config("a")


def test_every_kind_of_value_is_understood():
    line = "--input a b=c --colour green --name-tag=x=y --count -0 --limit 7 --ratio 1e-3 --quiet --codes empty missing"
    arguments = line.replace("a b=c", "a_b=c").split()
    assert parse(Config, arguments) == Config(
        "a_b=c", "green", "x=y", Numbers(0, 7, 0.001), quiet=True, codes=("empty", "missing")
    )


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


def test_options_that_do_not_go_together_are_told_beside_the_rest():
    assert problems("--input a --count 9 --limit 3 --quit") == (
        "unknown option --quit; did you mean --quiet?",
        "limit 3 is below count 9",
    )
    assert problems("--count 9 --limit 3 --ratio 2 --tag-size 4") == (
        "--ratio must be between 0 and 1, not 2.0",
        "--input is required: where videos are",
        "--tag-size goes with --name-tag",
        "limit 3 is below count 9",
    )


def test_a_flag_can_be_turned_off_again():
    assert parse(Config, ["--input", "a", "--quiet", "false"]) == Config("a")
    assert parse(Config, ["--input", "a", "--quiet=true"]).quiet


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "run.toml"
    path.write_text('input = "b"\nquiet = true\ncodes = ["empty"]\n[numbers]\ncount = 4\nratio = 1\n')
    return str(path)


def test_the_command_line_wins_over_a_file(file):
    of_file = Config("b", numbers=Numbers(count=4, ratio=1.0), quiet=True, codes=("empty",))
    assert parse(Config, ["--config", file]) == of_file
    config = parse(Config, ["--count", "5", "--config", file, "--quiet=false", "--codes"])
    assert config == Config("b", numbers=Numbers(count=5, ratio=1.0), codes=())


def test_one_file_is_given(file):
    assert problems(f"--config {file} --config {file}") == ("--config is given twice",)
    assert problems(f"--input a --config {file} {file}") == ("--config takes one value, not 2",)
    assert problems("--input a --config") == ("--config takes one value, not 0",)


def test_a_required_option_without_a_value_is_one_problem():
    assert problems("--input") == ("--input takes one value, not 0",)


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


def test_problems_hold_no_secret_and_no_line_of_others(capsys):
    with pytest.raises(SystemExit):
        parse_or_exit(Config, "What it does.", ["--input", "a", "--count", "https://u:SECRET@h/\x1b[2J", "--no\nfake"])
    complain(InputError("m.csv:\n  - line 2: https://h/?x=SECRET", "a\nfake"))
    complain(OSError("https://h/#SECRET"))
    lines = capsys.readouterr().err.splitlines()
    assert not any("SECRET" in line or "\x1b" in line or line.startswith("fake") for line in lines)
    assert lines[-5:] == [
        *("error: m.csv:", "  - line 2: https://h/?***", "error: a", "  fake"),
        "error: https://h/#***",
    ]


def test_a_job_goes_on_with_a_good_line():
    assert parse_or_exit(Config, "What it does.", ["--input", "a"]) == Config("a")


def test_help_may_be_read_in_part():
    read_end, write_end = os.pipe()
    os.close(read_end)  # as `--help | head` does once it has its lines
    with os.fdopen(write_end, "wb") as output:
        command = [sys.executable, str(ROOT / "jobs" / "score_videos.py"), "--help"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
