"""Options of models: strict parsing from a plain mapping, and the checks that all configurations share."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from schemas import strict_json

Config = TypeVar("Config")

MAX_SIZE = 1 << 20  # of a layer
MAX_LAYERS = 1000
LAYER_COUNTS = ("layers", "blocks")  # options that say how many there are


def parse_options(defaults: Config, options: Mapping[str, object], subject: str) -> Config:
    """`defaults` with the values in `options` replaced; error messages start with `subject`.

    Raises:
        ValueError: with every unknown key (and the nearest valid one), wrong type and value out of range.
    """
    try:
        text = json.dumps({**dataclasses.asdict(defaults), **options})  # type: ignore[call-overload]
    except TypeError as error:
        raise ValueError(f"{subject}: an option must be a text, number, boolean or list: {error}") from error
    return strict_json.load(type(defaults), text, subject, schema_version=0)


def check_options(
    config: object,
    *,
    at_least: Mapping[str, int] | None = None,
    above_zero: Collection[str] = (),
    dropouts: Collection[str] = (),
    choices: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Check the named fields, each a value or a list of values.

    at_least    numbers with their lowest allowed value; the highest is `MAX_SIZE`, of layers `MAX_LAYERS`
    above_zero  numbers that must be above 0
    dropouts    rates in [0, 1)
    choices     texts with their allowed values

    Raises:
        ValueError: with every field that is out of range.
    """
    problems = []
    for name, least in (at_least or {}).items():
        most = MAX_LAYERS if name in LAYER_COUNTS else MAX_SIZE
        values = _values(config, name)
        problems += [f"{name} must be at least {least}, got {value}" for value in values if value < least]
        problems += [f"{name} must be at most {most}, got {value}" for value in values if value > most]
        problems += [f"{name} has {len(values)} values, at most {MAX_LAYERS}"] if len(values) > MAX_LAYERS else []
    for name in above_zero:
        problems += [f"{name} must be above 0, got {value}" for value in _values(config, name) if value <= 0]
    for name in dropouts:
        wrong = [rate for rate in _values(config, name) if not 0 <= rate < 1]
        problems += [f"{name} must be at least 0 and below 1, got {rate}" for rate in wrong]
    for name, allowed in (choices or {}).items():
        listed = ", ".join(sorted(allowed))
        unknown = [choice for choice in _values(config, name) if choice not in allowed]
        problems += [f"{name} must be one of {listed}, got {choice!r}" for choice in unknown]
    if problems:
        raise ValueError("; ".join(problems))


def _values(config: object, name: str) -> tuple[Any, ...]:
    """The values of a field as a tuple; a single value is a tuple of one."""
    value = getattr(config, name)
    return value if isinstance(value, tuple) else (value,)
