"""Thrift's compact protocol, in which Parquet has its footer and the heads of its pages.

A struct is a dictionary in the order of its fields: number → (type, value). Values are integers, bytes, structs and
lists, which are (type of the items, items); of a boolean, the type tells the value.

Source: github.com/apache/thrift, `doc/specs/thrift-compact-protocol.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

TRUE, FALSE, BYTE, I16, I32, I64, _, BINARY, LIST, _, _, STRUCT = range(1, 13)
STOP = b"\0"
LONG = 15  # in place of the size of a list, which then follows

Struct = dict[int, tuple[int, Any]]


def read_struct(file: IO[bytes]) -> Struct:
    """The struct at the position of `file`. Raises `ValueError` for types that Parquet does not use."""
    fields: Struct = {}
    number = 0
    while (head := file.read(1)) != STOP:
        step, kind = divmod(head[0], 16)
        number = number + step if step else _read_signed(file)
        fields[number] = kind, _read(file, kind)
    return fields


def struct_bytes(fields: Struct) -> bytes:
    """The bytes that `read_struct` reads a struct from."""
    parts: list[bytes] = []
    before = 0
    for number, (kind, value) in fields.items():
        step = number - before
        parts.append(bytes([16 * step + kind]) if 0 < step < LONG else bytes([kind]) + _signed(number))
        parts.append(_encoded(kind, value))
        before = number
    return b"".join([*parts, STOP])


def varint(number: int) -> bytes:
    """The bytes of an integer from 0 on: 7 bits each, the lowest ones first."""
    parts = [number >> shift & 127 for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(part | 128 for part in parts[:-1]), parts[-1]])


def _read(file: IO[bytes], kind: int) -> Any:
    if kind in (TRUE, FALSE):
        return None
    if kind == BYTE:
        return file.read(1)[0]
    if kind in (I16, I32, I64):
        return _read_signed(file)
    if kind == BINARY:
        return file.read(_read_varint(file))
    if kind == LIST:
        size, item_kind = divmod(file.read(1)[0], 16)
        size = _read_varint(file) if size == LONG else size
        return item_kind, [_read(file, item_kind) for _ in range(size)]
    if kind == STRUCT:
        return read_struct(file)
    raise ValueError(f"a value of Thrift's type {kind} is not known")


def _encoded(kind: int, value: Any) -> bytes:
    if kind in (TRUE, FALSE):
        return b""
    if kind == BYTE:
        return bytes([value])
    if kind in (I16, I32, I64):
        return _signed(value)
    if kind == BINARY:
        content: bytes = value
        return varint(len(content)) + content
    return _list(*value) if kind == LIST else struct_bytes(value)


def _list(kind: int, items: Sequence[Any]) -> bytes:
    size = len(items)
    head = bytes([16 * min(size, LONG) + kind]) + (varint(size) if size >= LONG else b"")
    return head + b"".join(_encoded(kind, item) for item in items)


def _read_varint(file: IO[bytes]) -> int:
    number = shift = 0
    while (part := file.read(1)[0]) & 128:
        number |= (part & 127) << shift
        shift += 7
    return number | part << shift


def _read_signed(file: IO[bytes]) -> int:
    number = _read_varint(file)
    return number >> 1 ^ -(number & 1)


def _signed(number: int) -> bytes:
    """Of an integer whose lowest bit is the sign."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)
