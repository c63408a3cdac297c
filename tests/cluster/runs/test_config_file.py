from __future__ import annotations

from pathlib import Path

import pytest

from cluster.runs.command_line import parse
from cluster.runs.config_file import config_text
from schemas.errors import InputError
from tests.support.options import Config

SIGNED = "https://user:SECRET@host/a.csv?signature=SECRET"


def read(tmp_path: Path, text: str, *arguments: str) -> Config:
    (tmp_path / "run.toml").write_text(text)
    return parse(Config, ["--config", str(tmp_path / "run.toml"), *arguments])


def problems(tmp_path: Path, text: str, *arguments: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, *arguments)
    return [problem.replace(str(tmp_path), "") for problem in caught.value.problems]


def test_all_that_is_wrong_is_told_at_once_with_file_and_table(tmp_path):
    text = """
        inptu = "a"
        colour = "gren"
        codes = "empty"
        quiet = "yes"
        ratio = 0.5
        numbers = 3
        [numbers]
    """
    assert problems(tmp_path, text)[0].startswith("/run.toml cannot be read: ")
    text = text.replace("numbers = 3", "").replace(
        "[numbers]", '[numbers]\ncuont = 3\ncount = 1.5\nlimit = 0\nname-tag = "n"\n[nmubers]\ncount = 1\n'
    )
    assert problems(tmp_path, text) == [
        "/run.toml: unknown option inptu; did you mean input?",
        "/run.toml: colour is one of red, green, not 'gren'; did you mean green?",
        "/run.toml: codes takes a list of strings, not 'empty'",
        "/run.toml: quiet takes true or false, not 'yes'",
        "/run.toml: ratio belongs in the table [numbers]",
        "/run.toml [numbers]: unknown option cuont; did you mean count?",
        "/run.toml [numbers]: count takes a whole number, not 1.5",
        "/run.toml [numbers]: limit must be above 0 and below 100, not 0",
        "/run.toml [numbers]: name-tag belongs above the first table",
        "/run.toml: unknown table [nmubers]; did you mean [numbers]?",
        "--input is required: where videos are",
    ]


def test_what_the_command_line_replaces_is_checked_all_the_same(tmp_path):
    assert problems(tmp_path, 'input = "a"\ncolour = "gren"', "--colour", "green") == [
        "/run.toml: colour is one of red, green, not 'gren'; did you mean green?"
    ]


def test_names_are_those_of_the_command_line(tmp_path):
    found = problems(tmp_path, 'input = "a"\nname_tag = "n"')
    assert found == ["/run.toml: unknown option name_tag; did you mean name-tag?"]


@pytest.mark.parametrize(
    "content",
    [b"input = ", b"\xff", b"limit = " + b"9" * 5_000, b"codes = " + b"[" * 100_000, None],
    ids=["cut", "bytes", "digits", "depth", "none"],
)
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path, content):
    if content is not None:
        (tmp_path / "run.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.toml cannot be read: "):
        parse(Config, ["--input", "a", "--config", str(tmp_path / "run.toml")])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("limit = " + "9" * 5_000, "/run.toml cannot be read: a number has thousands of digits"),
        ("limit = " + "[" * 100_000, "/run.toml cannot be read: it is nested too deeply"),
        ("[numbers]\nlimit = " + "9" * 400, "/run.toml [numbers]: limit takes a whole number of 64 bits"),
        ("[numbers]\nratio = " + "9" * 400, "/run.toml [numbers]: ratio takes a number of 64 bits"),
    ],
)
def test_odd_values_are_problems(tmp_path, content, problem):
    assert problems(tmp_path, content, "--input", "a") == [problem]


def test_a_day_may_be_written_as_one(tmp_path):
    assert read(tmp_path, "input = 2026-03-01").input == "2026-03-01"


@pytest.mark.parametrize(
    "config",
    [
        Config("a"),
        Config.of(input="é\n\t\x7f\"'\\ \U0001f3ac", colour="green", name_tag="#", quiet=True, codes=(), words=()),
        Config.of(input="a", name_tag="x", codes=("empty", "missing"), words=("b", "c\n"), limit=9, ratio=1e-7),
    ],
)
def test_what_is_written_gives_the_same_options(tmp_path, config):
    text = config_text(config, "run r1")
    assert text.startswith("# Options of run r1. The job repeats it with --config and this file.\n\ninput = ")
    assert read(tmp_path, text) == config
    assert config_text(read(tmp_path, text), "run r1") == text


def test_tables_are_groups():
    text = config_text(Config.of(input="a", codes=("empty",), limit=3), "a run")
    assert text.splitlines() == [
        "# Options of a run. The job repeats it with --config and this file.",
        "",
        'input = "a"',
        'colour = "red"',
        "quiet = false",
        "codes = [",
        '    "empty",',
        "]",
        "words = []",
        "tag-size = 0",
        "",
        "[numbers]",
        "count = 3",
        "limit = 3",
        "ratio = 0.5",
    ]


@pytest.mark.parametrize("secret", [SIGNED, "caf\udce9.mp4"])
def test_what_is_not_kept_must_be_given_again(tmp_path, secret):
    config = Config.of(input="a", name_tag=secret, tag_size=2)
    text = config_text(config, "a run")
    assert "SECRET" not in text
    text.encode()
    assert problems(tmp_path, text) == [
        "/run.toml: name-tag has *** in place of a secret: write the value there, or give --name-tag",
    ]
    assert read(tmp_path, text, "--name-tag", secret) == config
