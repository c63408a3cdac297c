"""Command lines derived from configuration dataclasses.

In: a frozen dataclass whose fields carry `option(help, default)` and are of type `str`, `int`, `float`, `bool`,
`tuple[str, ...]` or one of these `| None`. Out: an instance. A bool is a flag without a value; a tuple takes as many
values as follow. Everything that is wrong with a command line is reported at once, with the nearest valid name.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
import typing
from collections.abc import Sequence
from difflib import get_close_matches
from types import NoneType
from typing import Any, TypeVar

T = TypeVar("T")
HELP_WIDTH = 110


class UsageError(Exception):
    """A command line that cannot be understood; `problems` says all that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def option(text: str, default: Any = dataclasses.MISSING, *, choices: tuple[str, ...] = ()) -> Any:
    """A field with its help text; without `default` the option must be given."""
    return dataclasses.field(default=default, metadata={"help": text, "choices": choices})


def option_of(kind: type[Any], name: str) -> Any:
    """The same option as the field `name` of another configuration."""
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    return dataclasses.field(default=field.default, metadata=field.metadata)


def parse(kind: type[T], arguments: list[str]) -> T:
    """The instance of `kind` that `arguments` describe; raises `UsageError` with every problem."""
    fields = {_flag(field): field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    problems: list[str] = []
    named: set[str] = set()
    given: dict[str, Any] = {}
    for flag, values in _split(arguments, problems):
        field = fields.get(flag)
        if field is None:
            near = get_close_matches(flag, fields, 1)
            problems.append(f"unknown option {flag}" + (f"; did you mean {near[0]}?" if near else ""))
        elif field.name in named:
            problems.append(f"{flag} is given twice")
        else:
            named.add(field.name)
            before = len(problems)
            value = _convert(flag, hints[field.name], values, field.metadata["choices"], problems)
            if len(problems) == before:
                given[field.name] = value
    missing = [
        flag for flag, field in fields.items() if field.default is dataclasses.MISSING and field.name not in named
    ]
    problems += [f"{flag} is required: {fields[flag].metadata['help']}" for flag in missing]
    required = {field.name for field in fields.values() if field.default is dataclasses.MISSING}
    if required <= given.keys():  # what is wrong with the values is told beside what is wrong with the words
        try:
            configured = kind(**given)
            if not problems:
                return configured
        except ValueError as error:
            problems.append(str(error))
    raise UsageError(problems)


def parse_or_exit(kind: type[T], description: str, arguments: list[str] | None = None) -> T:
    """`parse` for a job: prints help and exits with 0, or prints the problems and exits with 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        print(usage(kind, description))
        raise SystemExit(0)
    try:
        return parse(kind, arguments)
    except UsageError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        print("--help lists all options", file=sys.stderr)
        raise SystemExit(2) from None


def usage(kind: type[Any], description: str) -> str:
    """The help text."""
    hints = typing.get_type_hints(kind)
    lines = [*textwrap.wrap(description, HELP_WIDTH), "", "options:"]
    for field in dataclasses.fields(kind):
        base, _ = _base(hints[field.name])
        value = "" if base is bool else " VALUE …" if typing.get_origin(base) is tuple else f" {base.__name__.upper()}"
        choices = f" ({' | '.join(field.metadata['choices'])})" if field.metadata["choices"] else ""
        shown = field.default not in (dataclasses.MISSING, None, False, ())
        words = " ".join(field.default) if isinstance(field.default, tuple) else field.default
        default = f" [default: {words}]" if shown else ""
        required = " (required)" if field.default is dataclasses.MISSING else ""
        text = f"{field.metadata['help']}{choices}{default}{required}"
        lines.append(f"  {_flag(field)}{value}")
        lines += textwrap.wrap(text, HELP_WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines)


def _flag(field: dataclasses.Field[Any]) -> str:
    return "--" + field.name.replace("_", "-")


def _split(arguments: list[str], problems: list[str]) -> list[tuple[str, list[str]]]:
    """Group arguments into flags and the values that follow them; `--flag=value` counts as two."""
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


def _base(hint: Any) -> tuple[Any, bool]:
    """The type of a hint without `| None`, and whether None was allowed."""
    arguments = typing.get_args(hint)
    if NoneType in arguments:
        return next(argument for argument in arguments if argument is not NoneType), True
    return hint, False


def _convert(flag: str, hint: Any, values: list[str], choices: tuple[str, ...], problems: list[str]) -> Any:
    base, _ = _base(hint)
    if base is bool:
        if values:
            problems.append(f"{flag} takes no value, but {values[0]!r} follows it")
        return True
    if typing.get_origin(base) is tuple:
        return tuple(_checked(flag, value, choices, problems) for value in values)
    if len(values) != 1:
        problems.append(f"{flag} takes one value, not {len(values)}")
        return None
    if base is str:
        return _checked(flag, values[0], choices, problems)
    try:
        return base(values[0])
    except ValueError:
        problems.append(f"{flag} takes {'a whole number' if base is int else 'a number'}, not {values[0]!r}")
        return None


def _checked(flag: str, value: str, choices: tuple[str, ...], problems: list[str]) -> str:
    if choices and value not in choices:
        near = get_close_matches(value, choices, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(f"{flag} is one of {', '.join(choices)}, not {value!r}{hint}")
    return value


def named_values(option: str, texts: Sequence[str]) -> dict[str, Any]:
    """What `option` was given: numbers, lists, true and false as JSON has them, and anything else as text.

    Raises:
        ValueError: for what is not NAME=VALUE.
    """
    wrong = [text for text in texts if "=" not in text]
    if wrong:
        raise ValueError(f"{option} are NAME=VALUE, not {', '.join(map(repr, wrong))}")
    return {name: _value(value) for name, value in (text.split("=", 1) for text in texts)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
