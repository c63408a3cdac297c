"""Layers models of TensorFlow.js: a folder with `model.json` and its shards, to arrays by name.

In: a folder that may be untrusted. Out: {name: float32 tensor}, with the names of Keras.

`model.json` lists groups of arrays (`weightsManifest`). A group's shards, one after the other, hold its arrays without
gaps, little-endian: float32, or quantised as uint8 or uint16 with `scale` and `min` (q * scale + min), or float16.
Source: tensorflow/tfjs `tfjs-core/src/io/io_utils.ts` (`decodeWeights`).

Shards are files of the folder itself, and have exactly the bytes of their arrays. Of these only those that are needed
are read, and charged to a budget before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from extractors.weights.content import WeightsError
from schemas.budget import Budget, BudgetError

MODEL_FILE = "model.json"
MAX_JSON_BYTES = 8 << 20  # the one of Inception v3 has 0.2 MB
MAX_DIMENSIONS = 8
VALUE_BYTES = 4
STORED = {"uint8": "<u1", "uint16": "<u2", "float16": "<f2"}  # of quantised arrays


def read_layers_model(
    folder: Path, budget: Budget, *, is_needed: Callable[[str], bool] = lambda name: True
) -> dict[str, Tensor]:
    """The arrays of the model in `folder` that are needed, by name.

    Raises:
        WeightsError: if a file is missing, of another size than its arrays, or describes arrays that are not numbers.
        BudgetError: if it claims more than the budget.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise WeightsError(f"it is a folder without {MODEL_FILE}: give a file, or the folder of a TensorFlow.js model")
    Budget(MAX_JSON_BYTES, "it describes a network").allow(MODEL_FILE, path.stat().st_size)
    arrays: dict[str, Tensor] = {}
    try:
        model = json.loads(path.read_bytes())
        for group in model["weightsManifest"]:
            for name, array in _group(folder, group["paths"], group["weights"], budget, is_needed):
                if name in arrays:
                    raise WeightsError(f"array {name!r} is there twice")
                arrays[name] = array
    except (WeightsError, BudgetError):
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise WeightsError(f"{MODEL_FILE} is not the description of a layers model: {error!r}") from error
    return arrays


def _group(
    folder: Path, names: list[str], specs: list[dict[str, Any]], budget: Budget, is_needed: Callable[[str], bool]
) -> Iterator[tuple[str, Tensor]]:
    for spec in specs:
        if is_needed(spec["name"]):
            budget.spend(f"array {spec['name']!r} of shape {spec['shape']}", _count(spec) * VALUE_BYTES)
    shards = _shards(folder, names, sum(_count(spec) * _stored_type(spec).itemsize for spec in specs))
    offset = 0
    for spec in specs:
        start, offset = offset, offset + _count(spec) * _stored_type(spec).itemsize
        if not is_needed(spec["name"]):
            continue
        stored = np.frombuffer(_content(shards, start, offset), _stored_type(spec))
        values = stored.astype(np.float32)
        if stored.dtype.kind == "u":
            values = values * np.float32(spec["quantization"]["scale"]) + np.float32(spec["quantization"]["min"])
        if not np.isfinite(values).all():
            raise WeightsError(f"array {spec['name']!r} has values that are not finite")
        yield spec["name"], torch.from_numpy(values.reshape(spec["shape"]))


def _shards(folder: Path, names: list[str], claimed_bytes: int) -> dict[Path, int]:
    """The shards of a group with their sizes, `claimed_bytes` together."""
    paths = [folder / name for name in names]
    for path, name in zip(paths, names, strict=True):
        if path.name != name or not path.is_file():
            raise WeightsError(f"its shard {name!r} is not a file of the folder")
    sizes = {path: path.stat().st_size for path in paths}
    stored_bytes = sum(sizes.values())
    if stored_bytes != claimed_bytes:
        raise WeightsError(
            f"its shards have {stored_bytes:,} bytes, their arrays {claimed_bytes:,}: download them again"
        )
    return sizes


def _content(shards: dict[Path, int], start: int, end: int) -> bytes:
    """The bytes from `start` to `end` of the shards in one piece."""
    parts = []
    for path, size_bytes in shards.items():
        if start < size_bytes and end > 0:
            with path.open("rb") as file:
                file.seek(max(start, 0))
                parts.append(file.read(min(end, size_bytes) - max(start, 0)))
        start, end = start - size_bytes, end - size_bytes
    return b"".join(parts)


def _count(spec: dict[str, Any]) -> int:
    shape = spec["shape"]
    if len(shape) > MAX_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise WeightsError(f"array {spec['name']!r} has the shape {shape!r}")
    return math.prod(shape)


def _stored_type(spec: dict[str, Any]) -> np.dtype[Any]:
    if spec["dtype"] != "float32":
        raise WeightsError(f"array {spec['name']!r} has type {spec['dtype']!r}; supported is 'float32'")
    quantization = spec.get("quantization")
    if quantization is None:
        return np.dtype("<f4")
    if quantization["dtype"] not in STORED:
        raise WeightsError(
            f"array {spec['name']!r} is quantised as {quantization['dtype']!r}; supported are {', '.join(STORED)}"
        )
    return np.dtype(STORED[quantization["dtype"]])
