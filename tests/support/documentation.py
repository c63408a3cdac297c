"""Pages of docs/pages as a reader follows them: their blocks, one after the other, in one folder.

```sh       a command, run by bash; it must end with 0
```python   goes on from the Python blocks before it
```toml     with title="NAME": a file that the reader writes
```text     what the block before it has printed; … stands for anything
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.dataset import ROOT, job_environment

PAGES = ROOT / "docs" / "pages"
FENCE = re.compile(r"^```(\S*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "\0\n"
# Answers each block, a line of JSON, with a line of its own on stderr. Variables stay for the next block.
SESSION = """
import json, sys
scope = {"__name__": "__main__"}
for line in sys.stdin:
    exec(compile(json.loads(line), "page", "exec"), scope)
    print("\\0", file=sys.stderr, flush=True)
"""


@dataclass(frozen=True)
class Block:
    """A code block: its language, the name of the file that it is, its text, and what it is to print."""

    language: str
    title: str
    text: str
    printed: str | None = None


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    found: list[Block] = []
    fenced = FENCE.findall(page.read_text())
    assert page.read_text().count("```") == 2 * len(fenced), f"{page.name}: a fence that is indented, or not closed"
    for language, title, text in fenced:
        if language == "text":
            assert found, f"{page.name}: output of no command"
            found[-1] = Block(found[-1].language, found[-1].title, found[-1].text, text)
        else:
            assert language in ("sh", "python") or (language == "toml" and title), f"{page.name}: ```{language}"
            found.append(Block(language, title, text))
    return found


class Reader:
    """Carries out the blocks of a page in a folder. `replaced` are words that stand for others there, such as ports."""

    def __init__(self, folder: Path, environment: Mapping[str, str], replaced: Mapping[str, str]) -> None:
        self._folder, self._replaced = folder, replaced
        commands = folder.parent / "bin"  # `framemill` is on the path of those who have installed it
        commands.mkdir(exist_ok=True)
        command = commands / "framemill"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m framemill "$@"\n')
        command.chmod(0o755)
        places = (str(commands), str(Path(sys.executable).parent), os.environ["PATH"])
        self._environment = {
            **job_environment(),
            **environment,
            "PATH": os.pathsep.join(places),
            "PYTHONPATH": str(ROOT),
            "HF_HOME": str(folder.parent / "huggingface"),
        }
        self._python: subprocess.Popen[str] | None = None
        self._groups: list[int] = []

    def follow(self, page: Path) -> None:
        """Carry out all blocks of a page, and compare what they print."""
        try:
            for block in blocks(page):
                self._do(block, page.name)
        finally:
            self._end()

    def _do(self, block: Block, page: str) -> None:
        text = block.text
        for word, other in self._replaced.items():
            text = text.replace(word, other)
        if block.language == "toml":
            (self._folder / block.title).write_text(text)
            return
        status, printed, errors = self._python_block(text) if block.language == "python" else self._shell_block(text)
        assert status == 0, f"{page}: exit code {status} of\n\n{text}\n{printed}\n{errors}"
        if block.printed is not None:
            assert matches(block.printed, printed), (
                f"{page}: after\n\n{text}\nthe page shows\n\n{block.printed}\nnot\n\n{printed}"
            )

    def _shell_block(self, text: str) -> tuple[int, str, str]:
        """What a block has printed goes to a file: what it leaves running keeps that open, and would keep a pipe."""
        log = self._folder.parent / "printed.txt"
        with log.open("w") as file:
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(shell.pid)
            status = shell.wait()
        return status, log.read_text(), ""

    def _python_block(self, text: str) -> tuple[int, str, str]:
        """Only what it prints on stdout is compared: libraries warn on stderr."""
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-u", "-c", SESSION],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=(self._folder.parent / "python.txt").open("w"),
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            self._groups.append(self._python.pid)
        process, log = self._python, self._folder.parent / "python.txt"
        assert process.stdin is not None
        assert process.stderr is not None
        before = len(log.read_text())
        process.stdin.write(json.dumps(text) + "\n")
        process.stdin.flush()
        errors = []
        for line in process.stderr:
            if line == END:
                return 0, log.read_text()[before:], "".join(errors)
            errors.append(line)
        return process.wait(), log.read_text()[before:], "".join(errors)

    def _end(self) -> None:
        """End what the page has left running, such as a service."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for group in self._groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal_number)
        if self._python is not None:
            self._python.wait()


def matches(shown: str, printed: str) -> bool:
    """Whether a block has printed what the page shows."""
    pattern = ".*?".join(map(re.escape, shown.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
