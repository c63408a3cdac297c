"""Arrays out of HDF5 files, which may come from anywhere.

In: an open file or group, and paths in it. Out: groups, arrays, their values in float32. Nothing outside the file is
followed or read (external links, external and virtual datasets), soft links neither, and sizes are checked before
anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_VALUES = 1 << 27  # in all arrays of a file; C3D, the largest network read here, has 80 million
MAX_OBJECTS = 10_000  # groups and arrays
# What h5py raises on files that are damaged or made to harm.
DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError, RecursionError)


class Hdf5Error(ValueError):
    """A file cannot be used; the message says what is wrong with which part."""


def read_arrays(path: Path) -> dict[str, Tensor]:
    """All arrays of floating-point numbers in a file, by their paths.

    Raises:
        Hdf5Error: if the file is damaged, or more than `MAX_VALUES` values are in it.
    """
    arrays, budget = {}, MAX_VALUES
    try:
        with h5py.File(path, "r") as file:
            for name, array in _arrays(file):
                budget -= array.size
                if budget < 0:
                    raise Hdf5Error(f"its arrays have more than {MAX_VALUES} values up to {name!r}")
                arrays[name] = torch.from_numpy(values(array))
    except DAMAGE as error:
        raise Hdf5Error(f"{path} is not a usable HDF5 file of weights: {error}") from error
    return arrays


def find_group(parent: h5py.Group, path: str) -> h5py.Group:
    """The group at `path`; raises `Hdf5Error` where there is none."""
    found = _inside(parent, path)
    if not isinstance(found, h5py.Group):
        raise Hdf5Error(f"{path!r} in {parent.name} is no group")
    return found


def find_array(parent: h5py.Group, path: str) -> h5py.Dataset:
    """The array of floating-point numbers at `path`; raises `Hdf5Error` where there is none."""
    found = _inside(parent, path)
    if not isinstance(found, h5py.Dataset):
        raise Hdf5Error(f"{path!r} in {parent.name} is no array")
    if found.external or found.is_virtual:
        raise Hdf5Error(f"array {path!r} in {parent.name} lies in another file, which is never read")
    if found.dtype.kind != "f":
        raise Hdf5Error(f"array {path!r} in {parent.name} holds {found.dtype}, not floating-point numbers")
    return found


def has(group: h5py.Group, name: str) -> bool:
    """Whether there is anything of that name; `in` would follow links to find out."""
    return group.get(name, getlink=True) is not None


def values(dataset: h5py.Dataset) -> NDArray[np.float32]:
    """All values of an array; raises `Hdf5Error` where some are not finite."""
    array: NDArray[np.float32] = np.asarray(dataset[()], dtype=np.float32)
    if not np.isfinite(array).all():
        raise Hdf5Error(f"array {dataset.name} holds values that are not finite")
    return array


def _inside(parent: h5py.Group, path: str) -> object:
    """What lies at `path`, reached by hard links alone: the others can lead out of the file."""
    found: object = parent
    for part in path.split("/"):
        if not isinstance(found, h5py.Group) or not has(found, part):
            raise Hdf5Error(f"{path!r} is missing in {parent.name}")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise Hdf5Error(f"{path!r} in {parent.name} is a link, which is never followed")
        found = found[part]
    return found


def _arrays(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """All arrays of floating-point numbers, by their paths."""
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    seen = 0
    while waiting:
        folder, group = waiting.pop()
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS:  # groups can hold each other in circles
                raise Hdf5Error(f"it has more than {MAX_OBJECTS} groups and arrays")
            found = _inside(group, name)
            if isinstance(found, h5py.Group):
                waiting.append((f"{folder}{name}/", found))
            elif isinstance(found, h5py.Dataset) and found.dtype.kind == "f":
                yield f"{folder}{name}", find_array(group, name)
