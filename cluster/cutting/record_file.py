"""TFRecord files: records, each with its length and masked CRC-32C checksums, as TensorFlow reads them.

In: the bytes of records. Out: the bytes of a file; and back, one record at a time. The checksum runs over stretches of
a record side by side, in NumPy, since a clip's record has megabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from math import isqrt
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError

MAX_RECORD_BYTES = 256 << 20
LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
POLYNOMIAL, ALL_ONES = 0x82F63B78, 0xFFFFFFFF
MASK_DELTA = 0xA282EAD8
FEW_BYTES = 256  # for which a plain loop is the fastest

Registers = NDArray[np.uint32]


class RecordFileError(InputError):
    """A damaged file of records; the message says which record."""


def framed(record: bytes) -> Iterator[bytes]:
    """The bytes of a record in a file."""
    length = LENGTH.pack(len(record))
    yield length
    yield CHECKSUM.pack(masked_crc(length))
    yield record
    yield CHECKSUM.pack(masked_crc(record))


def records(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The records of a file. Raises `RecordFileError` for one that is damaged."""
    number = 0
    while head := file.read(LENGTH.size + CHECKSUM.size):
        if len(head) < LENGTH.size + CHECKSUM.size or _is_damaged(head[: LENGTH.size], head[LENGTH.size :]):
            raise RecordFileError(f"{name}, record {number}: its length is damaged, or this is no .tfrecord file")
        (size,) = LENGTH.unpack(head[: LENGTH.size])
        if size > MAX_RECORD_BYTES:
            raise RecordFileError(f"{name}, record {number} claims {size:,} bytes, more than {MAX_RECORD_BYTES:,}")
        record, checksum = file.read(size), file.read(CHECKSUM.size)
        if len(checksum) < CHECKSUM.size or _is_damaged(record, checksum):
            raise RecordFileError(f"{name}, record {number} is damaged: its checksum is wrong. Copy the file again")
        yield record
        number += 1


def masked_crc(data: bytes) -> int:
    """The checksum that stands behind a record's length and behind the record."""
    crc = _register(data) ^ ALL_ONES
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL_ONES


def _is_damaged(data: bytes, checksum: bytes) -> bool:
    return masked_crc(data) != int.from_bytes(checksum, "little")


def _register(data: bytes) -> int:
    """The register after `data`, which starts with ones."""
    register = ALL_ONES
    size = isqrt(len(data)) if len(data) > FEW_BYTES else 0  # of a stretch
    count = len(data) // size if size else 0
    rest = len(data) - count * size
    table = _table()
    for byte in data[:rest]:
        register = int(table[(register ^ byte) & 0xFF]) ^ register >> 8
    if not count:
        return register
    stretches = np.frombuffer(data, np.uint8, offset=rest).reshape(count, size)
    registers = np.zeros(count, np.uint32)  # each starts with zeros
    for place in range(size):
        registers = table[(registers ^ stretches[:, place]) & 0xFF] ^ registers >> 8
    # The register is linear: what came before is moved over a stretch of zeros, and the stretch's own is added.
    first, second, third, fourth = _moved(size)
    for own in registers.tolist():
        before = first[register & 0xFF] ^ second[register >> 8 & 0xFF]
        register = own ^ before ^ third[register >> 16 & 0xFF] ^ fourth[register >> 24]
    return register


@lru_cache(maxsize=1)
def _table() -> Registers:
    """What each byte does to the register."""
    table: Registers = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


@lru_cache(maxsize=64)
def _moved(size: int) -> list[list[int]]:
    """The register after `size` bytes of zeros, for each value of each of its four bytes."""
    table = _table()
    registers: Registers = np.outer([1, 1 << 8, 1 << 16, 1 << 24], np.arange(256)).astype(np.uint32)  # (4, 256)
    for _ in range(size):
        registers = table[registers & 0xFF] ^ registers >> 8
    moved: list[list[int]] = registers.tolist()
    return moved
