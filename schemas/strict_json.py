"""Strict JSON objects: JSON text <-> frozen dataclasses, with every disagreement reported at once.

In: a dataclass type whose fields are `str`, `int`, `float`, `bool`, `X | None`, `int | Fraction`, `tuple[X, ...]`,
`Mapping[str, X]`, `Any` (any JSON value) or another such dataclass, and a parsed JSON value. A fraction is text: `1/3`.
Out: an instance, or one `JsonMismatchError` that lists each unknown key (with the nearest valid name), missing key and
wrong type by its place, as in `counts.frames`. Nothing is coerced but a whole number where a float is meant. A missing
key stands for the default of its field, so that a field can be added to a format whose documents lack it; only
`schema_version` is never implied. A field's key is its name, or the `key` of its metadata where the file format has
another one.
"""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeVar

from schemas.errors import problem_list
from schemas.numerals import number_of, whole_number_of

T = TypeVar("T")
VERSION = "schema_version"


class JsonMismatchError(ValueError):
    """A JSON document that does not match its dataclass; `problems` holds one line for each disagreement."""

    def __init__(self, subject: str, problems: list[str]) -> None:
        """`subject` names the document, as in 'run record'."""
        self.problems = tuple(problems)
        super().__init__(problem_list(subject, problems))


def dump(value: object) -> str:
    """Write a dataclass instance as JSON text: sorted keys, two spaces, ASCII, a newline at the end; NaN is refused."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{value!r} is not a dataclass instance")
    return json.dumps(_plain(value), sort_keys=True, indent=2, allow_nan=False) + "\n"


def load(kind: type[T], text: str, subject: str, *, schema_version: int) -> T:
    """Read JSON text as `kind`, whose `schema_version` must be the one given; `subject` opens the error message."""
    try:
        value = parse(text)
    except ValueError as error:
        raise JsonMismatchError(subject, [f"not JSON: {error}"]) from error
    # Another version has other keys: naming each of them would bury the one thing that matters.
    if isinstance(value, dict) and value.get(VERSION, schema_version) != schema_version:
        found = _shorten(value[VERSION])
        advice = f"this code reads {schema_version}; use the release of Framemill that wrote it"
        raise JsonMismatchError(subject, [f"{VERSION}: {found}, {advice}"])
    problems: list[str] = []
    loaded = _convert(kind, value, "", problems)
    if problems:
        raise JsonMismatchError(subject, problems)
    return typing.cast(T, loaded)


def parse(text: str | bytes) -> Any:
    """A JSON value, as `json.loads` gives it; `ValueError` also for deep nesting, and integers beyond 64 bits."""
    try:
        return json.loads(text, parse_int=whole_number_of)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _plain(value: Any) -> Any:
    """Return `value` made of dicts, lists and what JSON has words for."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_key(field): _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _convert(kind: Any, value: object, where: str, problems: list[str]) -> Any:
    """Return `value` as `kind`; what does not fit goes to `problems`, and None comes back in its place."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _convert_object(kind, value, where, problems)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        kinds = [argument for argument in arguments if argument is not types.NoneType]
        if set(kinds) == {int, Fraction}:
            kinds = [Fraction if isinstance(value, str) else int]
        (kind_if_set,) = kinds
        return _convert(kind_if_set, value, where, problems)
    if kind is Fraction and isinstance(value, str):
        try:
            return number_of(value)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            return None
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], item, f"{where}[{i}]", problems) for i, item in enumerate(value))
    if origin is Mapping and isinstance(value, dict):
        return {key: _convert(arguments[1], item, _join(where, key), problems) for key, item in value.items()}
    # bool is an int to Python, but true is not a number in a record.
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
        problems.append(f"{where}: {value} is not a finite number")
        return None
    if isinstance(kind, type) and type(value) is kind:
        return value
    problems.append(f"{where or 'document'}: expected {_describe(kind)}, got {_shorten(value)}")
    return None


def _convert_object(kind: type, value: object, where: str, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        problems.append(f"{where or 'document'}: expected an object, got {_shorten(value)}")
        return None
    kinds = typing.get_type_hints(kind)
    fields = {_key(field): field for field in dataclasses.fields(kind)}
    names = {key: field.name for key, field in fields.items()}
    before = len(problems)
    for key in sorted(set(value) - set(names)):
        nearest = difflib.get_close_matches(key, names, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys: {', '.join(sorted(names))}"
        problems.append(f"{_join(where, key)}: unknown key; {hint}")
    problems.extend(
        f"{_join(where, key)}: missing" for key, field in fields.items() if key not in value and not _is_implied(field)
    )
    arguments = {
        name: _convert(kinds[name], value[key], _join(where, key), problems)
        for key, name in names.items()
        if key in value
    }
    if len(problems) > before:
        return None
    try:
        return kind(**arguments)
    except ValueError as error:  # the dataclass's own checks
        problems.append(f"{where}: {error}" if where else str(error))
        return None


def _is_implied(field: "dataclasses.Field[Any]") -> bool:
    has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    return has_default and field.name != VERSION


def _key(field: "dataclasses.Field[Any]") -> str:
    key: str = field.metadata.get("key", field.name)
    return key


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _describe(kind: Any) -> str:
    origin = typing.get_origin(kind)
    descriptions = {str: "text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list"}
    return descriptions.get(origin or kind, "an object")


def _shorten(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
