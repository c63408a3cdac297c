"""Weights in TFLite files, read without a library.

In: the path of a `.tflite` file. Out: its constant tensors of float16 and float32 by name, as views of the file, or
the state dict of a network that names the file's layer of each of its own.

TFLite files are FlatBuffers: tables of offsets. Every offset and length is checked against the file, counts are
bounded, and a shape must account for exactly the bytes of its buffer, so that a damaged or hostile file raises
`WeightsError`. No array is copied before its shape has been compared with the network's.

Source: flatbuffers.dev, "FlatBuffer internals"; TensorFlow's `schema.fbs`, version 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from extractors.weights.content import WeightsError, foreign_content
from extractors.weights.pretrained import load_strictly
from schemas.budget import BudgetError, weights_budget

Constants = dict[str, NDArray[np.generic]]

IDENTIFIER = b"TFL3"
MAX_TENSORS = 1 << 12
MAX_DIMENSIONS = 8
MAX_NAME_BYTES = 1 << 10
TYPES: Mapping[int, np.dtype[np.generic]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
# The fields of the schema's tables, by number.
MODEL_SUBGRAPHS, MODEL_BUFFERS = 2, 4
SUBGRAPH_TENSORS = 0
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME = 0, 1, 2, 3
BUFFER_DATA = 0
# A layer's tensors in the file, by ours, and the order of its axes that ours has.
PARAMETERS: Mapping[type[nn.Module], Mapping[str, str]] = {
    nn.Conv2d: {"weight": "Kernel", "bias": "Bias"},
    nn.PReLU: {"weight": "Alpha"},
}
KERNEL_AXES = (0, 3, 1, 2)  # out, H, W, in
DEPTHWISE_AXES = (3, 0, 1, 2)  # 1, H, W, channels


class TfliteError(ValueError):
    """The bytes are not a TFLite model."""


def load_tflite(network: nn.Module, layers: Mapping[str, str], path: Path) -> None:
    """Load a file into a network whose `layers` have the given names there.

    Raises:
        WeightsError: if the file is damaged, claims too much, or lacks a tensor of the shape that the network needs.
    """
    if problem := foreign_content(path):
        raise WeightsError(f"{path} {problem}")
    size_bytes = path.stat().st_size
    try:
        weights_budget(network).allow("the file", size_bytes)
        constants = read_constants(bytearray(path.read_bytes()))  # writable: torch takes views of no other
    except BudgetError as error:
        raise WeightsError(f"{path} is not a usable .tflite file: {error}") from error
    except TfliteError as error:
        raise WeightsError(
            f"{path} is not a usable .tflite file: {error} ({size_bytes:,} bytes; a truncated file has to be "
            "downloaded or copied again)"
        ) from error
    load_strictly(network, _state(network, layers, constants), path)


def read_constants(content: bytes | bytearray) -> Constants:
    """The constant float tensors of a model's first subgraph by name, as views of its content.

    Raises:
        TfliteError: if an offset, a length or a shape does not fit, or two tensors have one name.
    """
    data = memoryview(content)
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise TfliteError(f"bytes 4 to 8 are not {IDENTIFIER.decode()}")
    model = _follow(data, 0)
    subgraph = next(_tables(data, model, MODEL_SUBGRAPHS, "subgraphs"), None)
    if subgraph is None:
        raise TfliteError("it has no subgraph")
    buffers = list(_tables(data, model, MODEL_BUFFERS, "buffers"))
    constants: Constants = {}
    for tensor in _tables(data, subgraph, SUBGRAPH_TENSORS, "tensors"):
        index = _number(data, tensor, TENSOR_BUFFER, "<I")
        dtype = TYPES.get(_number(data, tensor, TENSOR_TYPE, "<b"))
        if index >= len(buffers):
            raise TfliteError(f"a tensor is in buffer {index} of {len(buffers)}")
        values = _vector(data, buffers[index], BUFFER_DATA, 1)
        if dtype is None or not values:
            continue  # indices, and what the network computes
        name = bytes(_vector(data, tensor, TENSOR_NAME, 1, MAX_NAME_BYTES)).decode(errors="replace")
        sides = np.frombuffer(_vector(data, tensor, TENSOR_SHAPE, 4, MAX_DIMENSIONS), "<i4").tolist()
        if min(sides, default=0) < 0 or math.prod(sides) * dtype.itemsize != len(values):
            raise TfliteError(f"{name!r} has the shape {sides} and {len(values):,} bytes, which do not fit")
        if name in constants:
            raise TfliteError(f"two tensors have the name {name!r}")
        constants[name] = np.frombuffer(values, dtype).reshape(sides)
    return constants


def _state(network: nn.Module, layers: Mapping[str, str], constants: Constants) -> dict[str, Tensor]:
    """The state dict of a network, as far as the file has its tensors, as views; shapes are not compared yet."""
    state = {}
    for ours, theirs in layers.items():
        module = network.get_submodule(ours)
        kind = next(kind for kind in PARAMETERS if isinstance(module, kind))
        for parameter, suffix in PARAMETERS[kind].items():
            if (array := constants.get(f"{theirs}/{suffix}")) is None:
                continue
            if array.ndim == 4:
                is_depthwise = isinstance(module, nn.Conv2d) and module.groups > 1
                array = array.transpose(DEPTHWISE_AXES if is_depthwise else KERNEL_AXES)
            elif kind is nn.PReLU:
                array = array.reshape(-1)  # 1, 1, channels
            state[f"{ours}.{parameter}"] = torch.from_numpy(array)
    return state


def _unpack(data: memoryview, place: int, form: str) -> int:
    """The number at a place."""
    if not 0 <= place <= len(data) - struct.calcsize(form):
        raise TfliteError(f"an offset leads to byte {place:,}")
    number: int = struct.unpack_from(form, data, place)[0]
    return number


def _follow(data: memoryview, place: int) -> int:
    """Where the offset at a place leads."""
    return place + _unpack(data, place, "<I")


def _field(data: memoryview, table: int, field: int) -> int | None:
    """The place of a table's field; None where it is left out."""
    fields = table - _unpack(data, table, "<i")
    entry = 4 + 2 * field
    if entry + 2 > _unpack(data, fields, "<H"):
        return None
    offset = _unpack(data, fields + entry, "<H")
    return table + offset if offset else None


def _number(data: memoryview, table: int, field: int, form: str) -> int:
    """A field's number; 0 where it is left out, as for every default here."""
    place = _field(data, table, field)
    return 0 if place is None else _unpack(data, place, form)


def _vector(data: memoryview, table: int, field: int, item_bytes: int, limit: int | None = None) -> memoryview:
    """The bytes of a field's vector, of at most `limit` items; empty where it is left out."""
    place = _field(data, table, field)
    if place is None:
        return data[:0]
    vector = _follow(data, place)
    count = _unpack(data, vector, "<I")
    start, size_bytes = vector + 4, count * item_bytes
    if size_bytes > len(data) - start:
        raise TfliteError(f"the vector at byte {vector:,} declares {size_bytes:,} bytes, more than remain")
    if limit is not None and count > limit:
        raise TfliteError(f"the vector at byte {vector:,} has {count:,} items, more than {limit:,}")
    return data[start : start + size_bytes]


def _tables(data: memoryview, table: int, field: int, what: str) -> Iterator[int]:
    """The places of the tables in a field's vector."""
    place = _field(data, table, field)
    count = len(_vector(data, table, field, 4)) // 4
    if count > MAX_TENSORS:
        raise TfliteError(f"it has {count:,} {what}, more than {MAX_TENSORS:,}")
    if place is not None:
        start = _follow(data, place) + 4
        yield from (_follow(data, start + 4 * index) for index in range(count))
