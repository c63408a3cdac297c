"""Reading arrays of untrusted .npy and .npz files.

In: a stream that may be the member of an archive. Out: its numbers as float32. The header says how many there are; they
are charged to a budget, and no more than they take is unpacked. Objects are refused, and so are headers of the later
versions, which may be of any length and which only structured types need.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
from numpy.typing import NDArray

from schemas.budget import Budget

VERSION = (1, 0)
NUMBERS = "fiu"  # kinds of types


def read_npy(stream: IO[bytes], name: str, budget: Budget) -> NDArray[np.float32]:
    """The array in `stream`, which errors call `name`.

    Raises:
        ValueError: for what is no array of numbers, ends early, or exceeds the budget (`BudgetError`).
    """
    version = np.lib.format.read_magic(stream)
    if version != VERSION:
        raise ValueError(f"{name} is of version {version} of the format: save it again as a plain array of float32")
    try:
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except (
        ValueError,
        TypeError,
        SyntaxError,
        TokenError,
        RecursionError,
        MemoryError,
    ) as error:  # it is Python's text
        raise ValueError(f"{name} has a damaged header: {error}") from error
    if dtype.kind not in NUMBERS or dtype.itemsize > np.dtype(np.float64).itemsize or min(shape, default=0) < 0:
        raise ValueError(f"{name} holds {dtype} of shape {shape}: save it again as float32")
    size_bytes = math.prod(shape) * dtype.itemsize
    budget.spend(f"{name} of shape {shape}", size_bytes)
    content = stream.read(size_bytes)
    if len(content) < size_bytes:
        raise ValueError(f"{name} of shape {shape} ends after {len(content):,} of {size_bytes:,} bytes")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
    return array.astype(np.float32)


def read_npz(path: Path, names: Collection[str], budget: Budget) -> dict[str, NDArray[np.float32]]:
    """The arrays `names` of an archive; others are not read. Raises `ValueError` as `read_npy` does, and `KeyError`."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as stream:
                arrays[name] = read_npy(stream, name, budget)
    return arrays
