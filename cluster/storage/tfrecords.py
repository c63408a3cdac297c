"""TFRecord files: records, each with its length and masked CRC-32C checksums, as TensorFlow reads them.

In: the bytes of records. Out: the bytes of a file; and back, where records lie, and one record at a time. Files are
called `NAME.tfrecord`, or `NAME.tfrecord-00000-of-00010` where there are several. A checksum of much data runs over
stretches of it side by side, in NumPy, since a clip's record has megabytes.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import IO

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError

TFRECORD = ".tfrecord"
SHARD = re.compile(r"\.tfrecord(-\d+-of-\d+)?$")
LENGTH, CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
HEAD_BYTES = LENGTH.size + CHECKSUM.size
POLYNOMIAL, ALL_ONES = 0x82F63B78, 0xFFFFFFFF
MASK_DELTA = 0xA282EAD8
FEW_BYTES = 256  # for which a plain loop is the fastest
GZIP_MAGIC = b"\x1f\x8b\x08"
ZLIB_MAGICS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

Registers = NDArray[np.uint32]


class RecordError(InputError):
    """A damaged TFRecord file, or one of an unknown layout; the message says which file and record."""


@dataclass(frozen=True)
class RecordPlace:
    """Where the data of a record lie in its file: `length` bytes from `start` on."""

    number: int
    start: int
    length: int


def is_tfrecord(name: str) -> bool:
    """Whether a file is one by its name."""
    return SHARD.search(name) is not None


def tfrecord_stem(name: str) -> str:
    """The name of a file without the extension: `a.tfrecord-00000-of-00010` -> `a-00000-of-00010`."""
    return SHARD.sub(r"\1", name)


def framed(record: bytes) -> Iterator[bytes]:
    """The bytes of a record in a file."""
    length = LENGTH.pack(len(record))
    yield length
    yield CHECKSUM.pack(masked_crc(length))
    yield record
    yield CHECKSUM.pack(masked_crc(record))


def record_places(file: IO[bytes], name: str) -> Iterator[RecordPlace]:
    """Where the records of a seekable file lie, by their lengths; their data are not read. `name` is for errors.

    Raises `RecordError` for a length that is damaged, or leads beyond the end: what follows it cannot be found.
    """
    size = file.seek(0, os.SEEK_END)
    position = number = 0
    while position < size:
        file.seek(position)
        head = file.read(HEAD_BYTES)
        start, length = position + HEAD_BYTES, int.from_bytes(head[: LENGTH.size], "little")
        position = start + length + CHECKSUM.size
        if len(head) < HEAD_BYTES or position > size:
            file.seek(0)
            kind = _compression(file.read(len(GZIP_MAGIC)))
            if kind:
                raise RecordError(
                    f"{name}, record 0: the file is compressed ({kind}), and records are read uncompressed\n"
                    "Decompress it first"
                    + (f", for example with gunzip -c FILE > OTHER{TFRECORD}" if kind == "GZIP" else "")
                )
            raise RecordError(
                f"{name}, record {number}: the file ends inside it, or its length is damaged: it claims {length:,} "
                f"bytes, the file has {size:,}\nDownload or copy the file again"
            )
        if _is_damaged(head[: LENGTH.size], head[LENGTH.size :]):
            raise RecordError(
                f"{name}, record {number}: its length, {length:,} bytes, is damaged: its checksum is wrong\n"
                "Download or copy the file again"
            )
        yield RecordPlace(number, start, length)
        number += 1


def record_at(file: IO[bytes], place: RecordPlace, name: str) -> bytes:
    """The data of a record. Raises `RecordError` for a wrong checksum, which says nothing about other records."""
    file.seek(place.start)
    data, checksum = file.read(place.length), file.read(CHECKSUM.size)
    if len(data) < place.length or _is_damaged(data, checksum):
        raise damaged(name, place.number)
    return data


def damaged(name: str, number: int) -> RecordError:
    """The error for a record whose checksum is wrong."""
    return RecordError(f"{name}, record {number} is damaged: its checksum is wrong\nDownload or copy the file again")


def masked_crc(data: bytes) -> int:
    """The checksum that stands behind a record's length and behind its data."""
    crc = _register(data) ^ ALL_ONES
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL_ONES


def _is_damaged(data: bytes, checksum: bytes) -> bool:
    return CHECKSUM.pack(masked_crc(data)) != checksum


def _compression(start: bytes) -> str:
    """How a file that starts so and is no sequence of records is compressed; empty for not at all."""
    return "GZIP" if start == GZIP_MAGIC else "ZLIB" if start.startswith(ZLIB_MAGICS) else ""


def _register(data: bytes) -> int:
    """The register after `data`, which starts with ones."""
    register = ALL_ONES
    size = isqrt(len(data)) if len(data) > FEW_BYTES else 0  # of a stretch
    count = len(data) // size if size else 0
    rest = len(data) - count * size
    few, many = _tables()
    for byte in data[:rest]:
        register = few[(register ^ byte) & 0xFF] ^ register >> 8
    if not count:
        return register
    stretches = np.frombuffer(data, np.uint8, offset=rest).reshape(count, size)
    registers = np.zeros(count, np.uint32)  # each starts with zeros
    for place in range(size):
        registers = many[(registers ^ stretches[:, place]) & 0xFF] ^ registers >> 8
    # The register is linear: what came before is moved over a stretch of zeros, and the stretch's own is added.
    first, second, third, fourth = _moved(size)
    for own in registers.tolist():
        before = first[register & 0xFF] ^ second[register >> 8 & 0xFF]
        register = own ^ before ^ third[register >> 16 & 0xFF] ^ fourth[register >> 24]
    return register


@lru_cache(maxsize=1)
def _tables() -> tuple[list[int], Registers]:
    """What each byte does to the register, for a loop and for NumPy."""
    table: Registers = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(POLYNOMIAL), table >> 1).astype(np.uint32)
    return table.tolist(), table


@lru_cache(maxsize=64)
def _moved(size: int) -> list[list[int]]:
    """The register after `size` bytes of zeros, for each value of each of its four bytes."""
    _, table = _tables()
    registers: Registers = np.outer([1, 1 << 8, 1 << 16, 1 << 24], np.arange(256)).astype(np.uint32)  # (4, 256)
    for _ in range(size):
        registers = table[registers & 0xFF] ^ registers >> 8
    moved: list[list[int]] = registers.tolist()
    return moved
