"""Partitions of ids: the hash of an id says to which one it belongs, wherever and whenever it is computed.

Names that differ in the extension of a video alone belong together: which of them keep it is decided among them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

PARTS = 256  # in which a run goes through more ids than memory should hold
VIDEO_SUFFIXES = tuple(
    f".{suffix}"
    for line in (
        "3g2 3gp asf avi divx dv f4v flv gif h264 h265 hevc ivf m2ts m2v m4v mkv",
        "mov mp4 mpe mpeg mpg mts mxf ogg ogv rm rmvb ts vob webm wmv",
    )
    for suffix in line.split()
)
LONGEST_SUFFIX = max(map(len, VIDEO_SUFFIXES))
_WRITTEN = re.compile(r"(\d{1,4})/(\d{1,4})")


@dataclass(frozen=True)
class Partition:
    """Partition `number`, from 1 on, of `count`; the one of 1 holds all ids."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Partition:
        """Partition `k/n`. Raises `ValueError` for anything else."""
        written = _WRITTEN.fullmatch(text)
        number, count = map(int, written.groups()) if written else (0, 0)
        if not 1 <= number <= count:
            raise ValueError(f"{text!r} is no partition: 1/4 is the first of four")
        return cls(number, count)

    @property
    def folder(self) -> str:
        """The name of its folders in a dataset; empty where there is a single partition."""
        return f"partition-{self.number}-of-{self.count}" if self.count > 1 else ""

    def holds(self, hashes: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """(ids,) whether each id, by its hash, belongs to this partition."""
        held: NDArray[np.bool_] = hashes % self.count == self.number - 1
        return held

    def parts(self, hashes: NDArray[np.uint32], count: int = PARTS) -> NDArray[np.intp]:
        """(ids,) the part of the partition that each id is in, from 0 to `count` - 1."""
        return (hashes // self.count % count).astype(np.intp)


WHOLE = Partition()


def is_partition(text: str) -> bool:
    """Whether `text` is a partition."""
    try:
        return bool(Partition.parse(text))
    except ValueError:
        return False


def hashes_of(ids: Iterable[str]) -> NDArray[np.uint32]:
    """(ids,) the hash of each id."""
    return np.fromiter((crc32(without_extension(name).encode()) for name in ids), np.uint32)


def without_extension(name: str) -> str:
    """The name without the extension of a video, or several."""
    while "." in name[-LONGEST_SUFFIX:]:
        stem, suffix = posixpath.splitext(name)
        if suffix.lower() not in VIDEO_SUFFIXES:
            break
        name = stem
    return name
