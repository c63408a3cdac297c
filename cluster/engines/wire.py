"""Frozen dataclasses ↔ bytes, for what comes back from processes that decode hostile files: nothing is executed.

`pack` writes a value, `unpack` reads it back as a given type, to the bit, or raises `ValueError`. Types are `str`,
`int`, `float`, `bool`, `bytes`, `Fraction`, enums of strings, NumPy arrays of numbers, `tuple[X, ...]`, `tuple[X, Y]`,
`dict[str, X]`, unions of these, and dataclasses with fields of such types.

The bytes are the length of a JSON text, that text, and the contents of all arrays and `bytes`, one after the other. In
the JSON a dataclass is `{name: {field: value}}`, an array `[dtype, shape, offset, size]`, a `bytes` `[offset, size]`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import types
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from schemas import strict_json

LENGTH = struct.Struct("<Q")
SCALARS = (str, int, float, bool)
NUMBERS = re.compile(r"[<>|][biuf]\d")  # NumPy's names of the types of numbers


def pack(value: Any) -> bytes:
    """The bytes of a value. Raises `TypeError` for a type that cannot be packed."""
    buffers = _Buffers()
    text = json.dumps(_plain(value, buffers)).encode()
    return b"".join([LENGTH.pack(len(text)), text, *buffers.parts])


def unpack(kind: Any, content: bytes | memoryview) -> Any:
    """The value of type `kind` that `pack` gave these bytes for. Raises `ValueError` where it is not one.

    Its arrays are views of `content`.
    """
    try:
        view = memoryview(content)
        (length,) = LENGTH.unpack_from(view)
        plain = strict_json.parse(bytes(view[LENGTH.size : LENGTH.size + length]))
        return _value(kind, plain, view[LENGTH.size + length :])
    except (struct.error, TypeError, KeyError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"not a packed {kind}: {error!r}") from error


class _Buffers:
    """Contents of arrays and `bytes`, one after the other."""

    def __init__(self) -> None:
        self.parts: list[bytes | memoryview] = []
        self._size = 0

    def add(self, content: bytes | memoryview) -> tuple[int, int]:
        """Offset and size of a new part."""
        offset, size = self._size, len(content)
        self.parts.append(content)
        self._size += size
        return offset, size


def _plain(value: Any, buffers: _Buffers) -> Any:
    """The value as JSON knows it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, SCALARS):
        return value
    if isinstance(value, Fraction):
        return {Fraction.__name__: [value.numerator, value.denominator]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {type(value).__name__: {name: _plain(item, buffers) for name, item in fields.items()}}
    if isinstance(value, tuple):
        return [_plain(item, buffers) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item, buffers) for key, item in value.items()}
    if isinstance(value, bytes):
        return buffers.add(value)
    if isinstance(value, np.ndarray) and NUMBERS.fullmatch(value.dtype.str):
        content = np.ascontiguousarray(value).tobytes()
        return [value.dtype.str, value.shape, *buffers.add(content)]
    raise TypeError(f"{type(value)} cannot be packed")


def _value(kind: Any, plain: Any, buffers: memoryview) -> Any:
    """What `_plain` made `plain` from."""
    origin: Any = get_origin(kind) or kind
    arguments = get_args(kind)
    if origin in (Union, types.UnionType):
        return _value(_member(arguments, plain), plain, buffers)
    if origin in SCALARS or origin is types.NoneType:
        if type(plain) is origin or (origin is float and type(plain) is int):
            return plain
    elif origin is Fraction and isinstance(plain, dict):
        numerator, denominator = (_value(int, item, buffers) for item in plain[Fraction.__name__])
        return Fraction(numerator, denominator)
    elif isinstance(origin, type) and dataclasses.is_dataclass(origin):
        kinds, fields = _field_kinds(kind), plain[origin.__name__]
        if isinstance(fields, dict):
            return origin(**{name: _value(kinds[name], item, buffers) for name, item in fields.items()})
    elif origin is tuple and isinstance(plain, list):
        item_kinds = arguments[:1] * len(plain) if arguments[1:] == (...,) else arguments
        return tuple(_value(item_kind, item, buffers) for item_kind, item in zip(item_kinds, plain, strict=True))
    elif origin in (dict, Mapping) and isinstance(plain, dict):
        return {key: _value(arguments[1], item, buffers) for key, item in plain.items()}
    elif origin is bytes:
        offset, size = plain
        return bytes(buffers[offset : offset + size])
    elif origin is np.ndarray:
        dtype, shape, offset, size = plain
        if NUMBERS.fullmatch(dtype):
            return np.frombuffer(buffers[offset : offset + size], dtype).reshape(shape)
    elif isinstance(origin, type) and issubclass(origin, StrEnum):
        return origin(plain)
    raise ValueError(f"{plain!r:.80} is not of type {kind}")


def _member(kinds: tuple[Any, ...], plain: Any) -> Any:
    """The one of several types that `plain` is of."""
    if plain is None:
        return types.NoneType
    if isinstance(plain, SCALARS):
        return next((kind for kind in kinds if kind is type(plain)), kinds[0])
    named = [kind for kind in kinds if isinstance(plain, dict) and (get_origin(kind) or kind).__name__ in plain]
    return named[0] if named else kinds[0]


@cache
def _field_kinds(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, with what stands for its type variables."""
    origin = get_origin(kind) or kind
    stands_for = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
    hints = get_type_hints(origin)
    return {name: stands_for.get(hint, hint) if isinstance(hint, TypeVar) else hint for name, hint in hints.items()}
