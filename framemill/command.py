"""The command `framemill`: every job under one name, from wherever the package is installed.

    framemill extract --input videos/ --output features/

It takes the options of the job. `python jobs/extract_features.py`, in a checkout, is the same, and what
`ray job submit` runs on a cluster.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from cluster.runs.command_line import discard_output
from cluster.runs.option import nearest
from framemill import __version__
from framemill.commands import Command
from schemas.commands import COMMAND_OF, JOB_COMMANDS, PROGRAM

HELP = ("-h", "--help", "help")
COMPLETION = "completion"  # which knows the commands from here


COMMANDS = {
    **{name: Command(f"jobs.{job}", summary) for name, (job, summary) in JOB_COMMANDS.items()},
    "doctor": Command("framemill.doctor", "what is installed, what is missing, and how to get it"),
    COMPLETION: Command("framemill.completion", "completion for bash, zsh or fish"),
}
SCRIPT = re.compile(r"(?<!-- )python jobs/(\w+)\.py")  # not after `ray job submit … --`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if name in HELP:
        return _show(_usage())
    if name in ("-V", "--version"):
        return _show(f"framemill {__version__}")
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}{nearest(name, COMMANDS)}", file=sys.stderr)
        print("framemill --help lists all commands", file=sys.stderr)
        return 2
    sys.argv = [f"{PROGRAM} {name}", *rest]
    module = import_module(COMMANDS[name].module)
    module.__doc__ = as_commands(module.__doc__ or "")
    run: Callable[..., int | None] = module.main
    return run(*([COMMANDS] if name == COMPLETION else [])) or 0


def as_commands(text: str) -> str:
    """The text with commands in place of the scripts that carry them out, but where a Ray job has its own checkout."""
    return SCRIPT.sub(lambda found: f"{PROGRAM} {COMMAND_OF[found[1]]}", text)


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: framemill COMMAND [option …]",
            "",
            *lines,
            "",
            "framemill COMMAND --help lists the options of a command, framemill --version the release.",
        ]
    )


def _show(text: str) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `framemill --help | head` has read enough
        discard_output()
    return 0
