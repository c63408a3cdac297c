"""A reader of the protocol buffers wire format, without generated code.

In: the bytes of one message. Out: its fields in order, as (number, value): an int for varints and fixed-width values
(their raw bits), a memoryview for strings, packed arrays and nested messages. Values are views: nothing is copied.

Public weights are in three kinds of protocol buffers (TensorFlow graphs, TensorFlow checkpoints, MediaPipe matrices).
Reading the wire format spares the user the libraries of all three. Every length is checked against its enclosing
message, and the fields of a message are counted, so that a truncated or hostile file raises `WireError`.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10
MAX_FIELDS = 1 << 20  # of one message; arrays are packed into one field


class WireError(ValueError):
    """The bytes are not a valid protocol buffer message."""


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """The base-128 integer at `position`, and the position after it."""
    value = 0
    for index in range(MAX_VARINT_BYTES):
        if position + index >= len(data):
            raise WireError(f"message of {len(data)} bytes ends inside a varint at byte {position}")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise WireError(f"varint at byte {position} is longer than {MAX_VARINT_BYTES} bytes")


def fields(message: memoryview | bytes) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) for every field of a message, in file order."""
    data = memoryview(message)
    position = count = 0
    while position < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise WireError(f"message of {len(data):,} bytes has more than {MAX_FIELDS:,} fields")
        key, position = read_varint(data, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, position = read_varint(data, position)
            yield number, value
            continue
        if wire_type == BYTES:
            length, position = read_varint(data, position)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise WireError(f"field {number} at byte {position} has wire type {wire_type}; allowed are 0, 1, 2, 5")
        if length > len(data) - position:
            remaining = len(data) - position
            raise WireError(f"field {number} at byte {position} declares {length} bytes, of which {remaining} remain")
        chunk = data[position : position + length]
        position += length
        yield number, chunk if wire_type == BYTES else int.from_bytes(chunk, "little")


def nested(message: memoryview | bytes, number: int) -> Iterator[memoryview]:
    """Yield the occurrences of a field with bytes as value."""
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def text(message: memoryview | bytes, number: int) -> str:
    """The last occurrence of a string field; empty if there is none."""
    found = ""
    for value in nested(message, number):
        found = bytes(value).decode("utf-8", errors="replace")
    return found


def integer(message: memoryview | bytes, number: int, default: int = 0) -> int:
    """The last occurrence of an integer field, or the default."""
    found = default
    for key, value in fields(message):
        if key == number and isinstance(value, int):
            found = value
    return found


def floats(message: memoryview | bytes, number: int) -> NDArray[np.float32]:
    """All values of a repeated float field, packed or not."""
    parts: list[NDArray[np.float32]] = []
    for key, value in fields(message):
        if key != number:
            continue
        if isinstance(value, int) and value >= 1 << 32:
            raise WireError(f"field {number} holds {value}, which are not the bits of a float")
        raw = value.to_bytes(4, "little") if isinstance(value, int) else value
        if len(raw) % 4:
            raise WireError(f"packed floats in field {number} have {len(raw)} bytes, which is not a multiple of 4")
        parts.append(np.frombuffer(raw, dtype="<f4"))
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
