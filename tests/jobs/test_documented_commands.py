"""Commands in the pages, as users copy them: their options exist, and go together. Those with an … are left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.export.config import ExportOptions
from cluster.runs.command_line import CONFIG, parse
from tests.jobs.test_options import KINDS
from tests.support.dataset import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("[bc]*/**/*.md"))]
OPTIONS = {**KINDS, "export_model": ExportOptions}
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
MIN_COMMANDS = {"README.md": 10, "classifiers/STREAMING.md": 8}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command that runs a script of ours, from its path on."""
    for block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = [] if "…" in line else shlex.split(line, comments=True)
            scripts = [place for place, word in enumerate(words) if re.match(r"(jobs|benchmarks)/\w+\.py$", word)]
            yield from (words[place:] for place in scripts[:1])


DOCUMENTED = [(str(page.relative_to(ROOT)), words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), DOCUMENTED, ids=[f"{page}-{words[0]}" for page, words in DOCUMENTED])
def test_documented_commands_are_understood(page: str, words: list[str]) -> None:
    script, *arguments = words
    assert (ROOT / script).is_file()
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments  # what follows is another command
    if script.startswith("jobs/") and CONFIG not in own:  # a configuration file would have to exist
        parse(OPTIONS[Path(script).stem], own)
    text = (ROOT / script).read_text()
    if script.startswith("benchmarks/"):
        assert not [word for word in own if word.startswith("--") and f'"{word}"' not in text]


def test_pages_have_commands() -> None:
    found = [page for page, _ in DOCUMENTED]
    assert all(found.count(page) >= number for page, number in MIN_COMMANDS.items())
