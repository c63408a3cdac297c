"""Configuration files: the options of a job as TOML, a table for each group.

    input = "videos/"
    output = "features/"

    [engine]
    workers = 8
    time-limit = 600.0

Keys are the names of options, as on the command line without `--`. Secrets are not written: `***` stands for them, and
a file in which it still stands is refused unless the command line gives the option.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import Any

import tomli_w

from cluster.runs.option import nearest, spelled
from cluster.runs.options import Options, Values, groups_of, options_of
from cluster.runs.provenance import without_secrets
from cluster.storage import files
from cluster.storage.redaction import MASK

_SURROGATES = re.compile("[\ud800-\udfff]")  # bytes of a file name that are no text


def read_config(uri: str, values: Values[Any]) -> None:
    """Add the options of a file to `values`, after those of the command line."""
    try:
        content = tomllib.loads(files.read_bytes(uri).decode())
    except (OSError, ValueError, files.StorageError, RecursionError) as error:
        values.problems.append(f"{uri} cannot be read: {_reason(error)}")
        return
    tables = {spelled(group): group for group in groups_of(values.kind)}
    for key, entry in content.items():
        if not isinstance(entry, dict):
            _add(values, uri, "", key, entry)
        elif key in tables:
            for name, value in entry.items():
                _add(values, f"{uri} [{key}]", tables[key], name, value)
        else:
            values.problems.append(
                f"{uri}: unknown table [{key}]{nearest(f'[{key}]', (f'[{table}]' for table in tables))}"
            )


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    # What Python says of a number of thousands of digits is for programmers.
    return "a number has thousands of digits" if "set_int_max_str_digits" in str(error) else str(error)


def _add(values: Values[Any], place: str, group: str, name: str, value: Any) -> None:
    found = values.options.get(name)
    if found is None:
        values.problems.append(f"{place}: unknown option {name}{nearest(name, values.options)}")
    elif found.group != group:
        right = f"in the table [{spelled(found.group)}]" if found.group else "above the first table"
        values.problems.append(f"{place}: {name} belongs {right}")
    else:
        if MASK in str(value) and not values.is_named(name):
            remedy = f"write the value there, or give --{name}"
            values.problems.append(f"{place}: {name} has {MASK} in place of a secret: {remedy}")
        values.add(f"{place}: {name}", name, value.isoformat() if isinstance(value, date) else value)


def config_text(options: Options, subject: str) -> str:
    """The file that gives `options`, without secrets; `subject` is the run whose options they are."""
    lines = [f"# Options of {subject}. The job repeats it with --config and this file.", ""]
    group = ""
    for field, found in options_of(type(options)).items():
        value = found.value_in(options)
        if value is None:
            continue
        if found.group != group:
            group = found.group
            lines += ["", f"[{spelled(group)}]"]
        shown = _shown(without_secrets({field: value})[field])
        if shown != value:
            lines.append(f"# {MASK} stands for what is not kept here: write it, or give --{found.name}")
        lines.append(tomli_w.dumps({found.name: shown}).rstrip("\n"))
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_shown, value))
    return _SURROGATES.sub(MASK, value) if isinstance(value, str) else value
