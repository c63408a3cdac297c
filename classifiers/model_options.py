"""A model's own numbers: from a plain mapping, strictly, and checks that every configuration shares."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from schemas import strict_json

Config = TypeVar("Config")


def parse_options(defaults: Config, options: Mapping[str, object], subject: str) -> Config:
    """`defaults` with `options` in place of some of its values; `subject` opens the error message.

    Raises:
        ValueError: with every unknown key (and the nearest valid one), wrong type and value out of range.
    """
    try:
        text = json.dumps({**dataclasses.asdict(defaults), **options})  # type: ignore[call-overload]
    except TypeError as error:
        raise ValueError(f"{subject}: an option is no text, number, boolean or list: {error}") from error
    return strict_json.load(type(defaults), text, subject, schema_version=0)


def check_options(
    config: object,
    *,
    at_least: Mapping[str, int] | None = None,
    dropouts: Collection[str] = (),
    choices: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Check the fields named: whole numbers (or lists of them) against a least value, rates in [0, 1), and choices.

    Raises:
        ValueError: with every field that is out of range.
    """
    problems = []
    for name, least in (at_least or {}).items():
        value: Any = getattr(config, name)
        numbers = value if isinstance(value, tuple) else (value,)
        problems += [f"{name} must be at least {least}, got {number}" for number in numbers if number < least]
    for name in dropouts:
        rate = getattr(config, name)
        if not 0 <= rate < 1:
            problems.append(f"{name} must be at least 0 and below 1, got {rate}")
    for name, allowed in (choices or {}).items():
        choice = getattr(config, name)
        if choice not in allowed:
            problems.append(f"{name} must be one of {', '.join(sorted(allowed))}, got {choice!r}")
    if problems:
        raise ValueError("; ".join(problems))
