"""Reading arrays of untrusted HDF5 files.

In: an open file or group, and paths in it. Out: groups, arrays and their values in float32. Soft and external links are
not followed, external and virtual data sets not read. Before any value is read, sizes are charged to a budget, and all
values must be stored (`hdf5_storage`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from extractors.weights.content import Hdf5Error
from extractors.weights.hdf5_storage import check_storage, claimed_bytes
from schemas.budget import Budget, unpacked_budget, weights_budget

MAX_OBJECTS = 10_000  # groups and arrays
GATES = "sigmoid"  # of recurrent layers, as in torch
# The exceptions of h5py for damaged and malicious files.
DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError, RecursionError)


def read_arrays(
    path: Path, budget: Budget | None = None, *, is_needed: Callable[[str], bool] = lambda path: True
) -> dict[str, Tensor]:
    """All floating-point arrays of a file that are needed, by path. By default, the budget is that of any network.

    Raises:
        Hdf5Error: if the file is damaged, or claims more than the budget, or much more than it has, or describes a
            network of Keras with other gates than ours.
    """
    arrays = {}
    budget = budget or weights_budget()
    unpacked = unpacked_budget(path.stat().st_size)
    try:
        with h5py.File(path, "r") as file:
            if (description := file.attrs.get("model_config")) is not None:
                _check_gates(description)
            for name, array in _arrays(file):
                if not is_needed(name):
                    continue
                for each in (budget, unpacked):
                    each.spend(f"array {name!r} of shape {array.shape}", claimed_bytes(array))
                arrays[name] = torch.from_numpy(values(array))
    except DAMAGE as error:
        raise Hdf5Error(f"{path} is not a usable HDF5 weights file: {error}") from error
    return arrays


def find_group(parent: h5py.Group, path: str) -> h5py.Group:
    """The group at `path`; raises `Hdf5Error` if there is none."""
    found = _object_at(parent, path)
    if not isinstance(found, h5py.Group):
        raise Hdf5Error(f"{path!r} in {parent.name} is not a group")
    return found


def find_array(parent: h5py.Group, path: str) -> h5py.Dataset:
    """The floating-point array at `path`; raises `Hdf5Error` if there is none."""
    found = _object_at(parent, path)
    if not isinstance(found, h5py.Dataset):
        raise Hdf5Error(f"{path!r} in {parent.name} is not an array")
    if found.external or found.is_virtual:
        raise Hdf5Error(f"array {path!r} in {parent.name} is stored in another file, which is never read")
    if found.dtype.kind != "f":
        raise Hdf5Error(f"array {path!r} in {parent.name} has type {found.dtype}, not floating point")
    return found


def has(group: h5py.Group, name: str) -> bool:
    """Whether the group has an object `name`; unlike `in`, without following links."""
    return group.get(name, getlink=True) is not None


def values(dataset: h5py.Dataset) -> NDArray[np.float32]:
    """All values of an array, charged to a budget before; raises `Hdf5Error` if some are not stored, or not finite."""
    check_storage(dataset)
    array: NDArray[np.float32] = np.asarray(dataset[()], dtype=np.float32)
    if not np.isfinite(array).all():
        raise Hdf5Error(f"array {dataset.name} has values that are not finite")
    return array


def _object_at(parent: h5py.Group, path: str) -> object:
    """The object at `path`, reached by hard links alone: other links may lead out of the file."""
    found: object = parent
    for part in path.split("/"):
        if not isinstance(found, h5py.Group) or not has(found, part):
            raise Hdf5Error(f"{path!r} is missing in {parent.name}")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise Hdf5Error(f"{path!r} in {parent.name} is a link, which is never followed")
        found = found[part]
    return found


def _arrays(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """All floating-point arrays with their paths."""
    groups: list[tuple[str, h5py.Group]] = [("", file)]
    count = 0
    while groups:
        folder, group = groups.pop()
        for name in group:
            count += 1
            if count > MAX_OBJECTS:  # groups can contain each other in circles
                raise Hdf5Error(f"it has more than {MAX_OBJECTS} groups and arrays")
            found = _object_at(group, name)
            if isinstance(found, h5py.Group):
                groups.append((f"{folder}{name}/", found))
            elif isinstance(found, h5py.Dataset) and found.dtype.kind == "f":
                yield f"{folder}{name}", find_array(group, name)


def _check_gates(description: str | bytes) -> None:
    """Refuse recurrent layers with other gates than ours, such as the hard sigmoid of Keras before 2.3."""
    left = [json.loads(description)]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            gates = value.get("recurrent_activation", GATES)
            if gates != GATES:
                raise ValueError(f"a recurrent layer has the gates {gates!r}; supported are {GATES!r} alone")
            left += value.values()
        elif isinstance(value, list):
            left += value
