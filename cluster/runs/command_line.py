"""Command lines → the options of a job, whose fields give the flags.

A bool is a flag without a value (`false` after it overrides a configuration file that sets it); a list takes as many
values as follow. `--config FILE.toml` gives values as well, which those of the command line override. Everything that
is wrong is reported at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

from cluster.runs.config_file import read_config
from cluster.runs.logs import indented
from cluster.runs.option import TYPES, Option, nearest
from cluster.runs.option_help import usage
from cluster.runs.options import Options, Values
from schemas.errors import InputError, problems_of

CONFIG = "--config"
SWITCHES = {(): True, ("true",): True, ("false",): False}

T = TypeVar("T", bound=Options)


def parse(kind: type[T], arguments: Sequence[str]) -> T:
    """The options that `arguments` give; raises `InputError` with every problem."""
    values = Values(kind)
    config: list[str] | None = None
    for flag, texts in _split(arguments, values.problems):
        name = flag.removeprefix("--")
        if flag == CONFIG:
            if config is not None:
                values.problems.append(f"{flag} is given twice")
            config = texts
        elif name not in values.options:
            known = (CONFIG, *(f"--{known}" for known in values.options))
            values.problems.append(f"unknown option {flag}{nearest(flag, known)}")
        elif values.is_named(name):
            values.problems.append(f"{flag} is given twice")
        else:
            try:
                values.add(flag, name, _converted(flag, values.options[name], texts))
            except ValueError as error:
                values.put_aside(name, str(error))
    if config is not None and len(config) == 1:
        read_config(config[0], values)
    elif config is not None:
        values.problems.append(f"{CONFIG} takes one value, not {len(config)}")
    return values.build("--")


def parse_or_exit(kind: type[T], text: str, arguments: list[str] | None = None) -> T:
    """`parse` for a job: prints help, made with `text`, and exits with 0, or prints the problems and exits with 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        try:
            print(usage(kind, text), flush=True)
        except BrokenPipeError:  # `--help | head` has read enough
            discard_output()
        raise SystemExit(0)
    try:
        return parse(kind, arguments)
    except InputError as error:
        complain(error)
        print("--help lists all options", file=sys.stderr)
        raise SystemExit(2) from None


def complain(error: Exception) -> None:
    """Print the problems that keep a job from its work."""
    for problem in problems_of(error):
        print(f"error: {indented(problem)}", file=sys.stderr)


def discard_output() -> None:
    """Print to nowhere from now on: whoever read the standard output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _split(arguments: Sequence[str], problems: list[str]) -> list[tuple[str, list[str]]]:
    """Flags, each with the values that follow it; `--flag=value` counts as two."""
    groups: list[tuple[str, list[str]]] = []
    for argument in arguments:
        if argument.startswith("--"):
            flag, equals, value = argument.partition("=")
            groups.append((flag, [value] if equals else []))
        elif groups:
            groups[-1][1].append(argument)
        else:
            problems.append(f"{argument!r} belongs to no option")
    return groups


def _converted(flag: str, found: Option, texts: list[str]) -> Any:
    """The texts after a flag as a value of its type; raises `ValueError`."""
    if found.kind is tuple:
        return tuple(texts)
    if found.kind is bool:
        if tuple(texts) not in SWITCHES:
            raise ValueError(f"{flag} takes no value, but {texts[0]!r} follows it")
        return SWITCHES[tuple(texts)]
    if len(texts) != 1:
        raise ValueError(f"{flag} takes one value, not {len(texts)}")
    try:
        return found.kind(texts[0])
    except ValueError:
        raise ValueError(f"{flag} takes {TYPES[found.kind]}, not {texts[0]!r}") from None
