from __future__ import annotations

import re

from cluster.runs.option_help import HELP_WIDTH, usage
from tests.support.options import Config


def test_help_tells_every_option_with_its_values_and_default():
    text = usage(Config, "What it does. " * 20)
    assert all(len(line) <= HELP_WIDTH for line in text.splitlines())
    for line in (
        "  --input STR\n        where videos are (required)",
        "  --colour STR\n        what to like (red | green) [default: red]",
        "  --limit INT\n        or none",
        "  --ratio FLOAT\n        a number [default: 0.5]",
        "  --quiet\n        no noise",
        "  --tag-size INT\n        with a name tag (with --name-tag) [default: 0]",
        "  --codes VALUE …\n        some of them (missing | empty)",
    ):
        assert f"{line}\n" in f"{text}\n"


def test_options_are_under_their_headings_the_common_ones_first():
    text = usage(Config, "What it does.")
    found = re.findall(r"^(\w[\w ]*:|  --[\w-]+)", text, re.MULTILINE)
    main = [
        "  --quiet",
        "  --input",
        "  --colour",
        "  --name-tag",
        "  --codes",
        "  --words",
        "  --tag-size",
        "  --config",
    ]
    assert found[1:] == ["Main options:", *main, "Numbers:", "  --ratio", "  --count", "  --limit"]


def test_usage_names_what_must_be_given_and_examples_are_printed_as_they_are(monkeypatch):
    monkeypatch.setattr("sys.argv", ["jobs/some_job.py"])
    examples = "python jobs/some_job.py --input a\npython jobs/some_job.py --input b"
    lines = usage(Config, f"What it does.\n\n{examples}\n").splitlines()
    assert lines[:6] == [
        "usage: some_job.py --input STR [option …]",
        "",
        "What it does.",
        "",
        "Examples:",
        "  python jobs/some_job.py --input a",
    ]
