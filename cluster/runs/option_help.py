"""The help text of a job: usage, examples, and all options under the headings of their groups.

A group is headed by the name of its field. In each, common options come first.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Container, Iterator
from pathlib import PurePath

from cluster.runs.option import Option, spelled
from cluster.runs.options import Options, groups_of, options_of

HELP_WIDTH = 110
MAIN_HEADING = "Main options"
INDENT = " " * 8
CONFIG_HELP = (
    "  --config FILE.toml",
    f"{INDENT}read options from a file with a table for each group; the command line overrides them",
)


def usage(kind: type[Options], text: str) -> str:
    """The help text; `text` is a description, and after an empty line examples as they are printed."""
    description, _, examples = text.strip().partition("\n\n")
    found = options_of(kind).values()
    required = [f"--{each.name} {_value(each)}" for each in found if each.is_required]
    first = f"usage: {PurePath(sys.argv[0]).name} "
    lines = textwrap.wrap(
        " ".join([*required, "[option …]"]), HELP_WIDTH, initial_indent=first, subsequent_indent=INDENT
    )
    lines += ["", *textwrap.wrap(description, HELP_WIDTH)]
    if examples:
        lines += ["", "Examples:", *textwrap.indent(examples, "  ").splitlines()]
    for group in ("", *groups_of(kind)):
        members = [each for each in found if each.group == group]
        lines += ["", f"{_heading(group)}:"]
        for each in sorted(members, key=lambda each: not each.rule.common):
            lines += _described(each, options_of(kind))
        lines += [] if group else CONFIG_HELP
    return "\n".join(lines)


def _heading(group: str) -> str:
    return group.replace("_", " ").capitalize() or MAIN_HEADING


def _described(found: Option, known: Container[str]) -> Iterator[str]:
    value = _value(found)
    yield f"  --{found.name}" + (f" {value}" if value else "")
    partner = f" (with --{spelled(found.rule.goes_with)})" if found.rule.goes_with in known else ""
    text = f"{found.help}{partner}{_default(found)}"
    yield from textwrap.wrap(text, HELP_WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


def _value(found: Option) -> str:
    return {"bool": "", "tuple": "VALUE …"}.get(found.kind.__name__, found.kind.__name__.upper())


def _default(found: Option) -> str:
    if found.is_required:
        return " (required)"
    if found.default is None or found.default is False or found.default == ():
        return ""
    return f" [default: {' '.join(found.default) if isinstance(found.default, tuple) else found.default}]"
