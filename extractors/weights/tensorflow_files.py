"""Readers of TensorFlow graphs and checkpoints of format version 1, without TensorFlow.

- `read_graph_constants`: a frozen graph (`classify_image_graph_def.pb`, a GraphDef message) to {node name: float32
  array} for its float constants. The scale of batch norms without scaling is returned as ones.
- `read_checkpoint`: a checkpoint in one file such as `vggish_model.ckpt` (a sorted table), to {variable name: float32
  array}.

Source: tensorflow `core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto`,
`core/util/saved_tensor_slice.proto`, `core/lib/io/format.cc`. Types other than float32 are skipped: the networks read
here have no others. Tested against files written by TensorFlow 2.21.

Arrays are views of the file. What is not stored, such as one value for all elements, is charged to a budget, and blocks
of a table that overlap are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from extractors.weights.protobuf_wire import WireError, fields, floats, integer, nested, read_varint, text
from schemas.budget import Budget

DT_FLOAT = 1
TABLE_MAGIC = 0xDB4775248B80FB57
TABLE_FOOTER_BYTES = 48
BLOCK_TRAILER_BYTES = 5
MAX_DIMENSIONS = 8
MAX_KEY_BYTES = 4096
MAX_FILLED_BYTES = 64 << 20  # in arrays of which one value is stored; kernels are stored whole

Constants = dict[str, NDArray[np.float32]]


def read_graph_constants(graph: bytes) -> Constants:
    """The float32 constants of a GraphDef by node name.

    A `BatchNormWithGlobalNormalization` node that does not scale after normalisation ignores its fifth input. The
    constant of that input is returned as ones, so that constants have the same meaning with and without scaling.
    """
    constants: Constants = {}
    filled = Budget(MAX_FILLED_BYTES, "only small arrays stand for one value: save the graph again, or its variables")
    unscaled: list[str] = []
    for node in nested(graph, 1):
        operation = text(node, 2)
        if operation == "Const":
            tensor = _attribute(node, "value", 8)
            if isinstance(tensor, memoryview) and integer(tensor, 1) == DT_FLOAT:
                constants[text(node, 1)] = _tensor(tensor, filled)
        elif operation == "BatchNormWithGlobalNormalization" and not _attribute(node, "scale_after_normalization", 5):
            unscaled += [bytes(name).decode(errors="replace").removesuffix(":0") for name in nested(node, 3)][4:5]
    for name in unscaled:
        if name in constants:
            constants[name] = np.ones_like(constants[name])
    return constants


def read_checkpoint(checkpoint: bytes) -> Constants:
    """The float32 variables of a checkpoint by name.

    Raises:
        WireError: if the file is not a sorted table, is compressed, or stores a variable in several slices.
    """
    variables: Constants = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for _, value in table_entries(checkpoint):
        for number, part in fields(value):
            if number == 1 and isinstance(part, memoryview):  # the first record describes all variables
                shapes |= {text(m, 1): shape_of(next(nested(m, 2), memoryview(b""))) for m in nested(part, 1)}
            elif number == 2 and isinstance(part, memoryview):
                name, values = text(part, 1), floats(next(nested(part, 3), b""), 5)
                if len(values) == 0:
                    continue  # not float32
                if name not in shapes or len(values) != math.prod(shapes[name]):
                    raise WireError(f"variable {name!r} has {len(values)} values in a slice, not {shapes.get(name)}")
                variables[name] = values.reshape(shapes[name])
    return variables


def table_entries(table: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) pairs of a sorted table: a checkpoint of version 1, or the index of one of version 2.

    Raises:
        WireError: if the bytes are not a sorted table, or it is compressed.
    """
    data = memoryview(table)
    footer = data[-TABLE_FOOTER_BYTES:]
    if len(data) < TABLE_FOOTER_BYTES or int.from_bytes(footer[-8:], "little") != TABLE_MAGIC:
        raise WireError("not a TensorFlow checkpoint: the table's magic number is missing at its end")
    _, after_offset = read_varint(footer, 0)
    _, after_metaindex = read_varint(footer, after_offset)
    end = 0
    for _, handle in _block_entries(data, *_handle(footer[after_metaindex:])):
        offset, size = _handle(handle)
        if offset < end:
            raise WireError(f"checkpoint block at {offset} overlaps the one before it, which ends at {end}")
        end = offset + size
        yield from _block_entries(data, offset, size)


def _handle(handle: memoryview) -> tuple[int, int]:
    """Offset and size of a block, two varints."""
    offset, position = read_varint(handle, 0)
    size, _ = read_varint(handle, position)
    return offset, size


def _block_entries(data: memoryview, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) pairs of a table block."""
    if offset + size + BLOCK_TRAILER_BYTES > len(data) or size < 4:
        raise WireError(f"checkpoint block at {offset} of {size} bytes lies outside the file of {len(data)} bytes")
    if data[offset + size] != 0:
        raise WireError("the checkpoint's blocks are compressed; save it again without compression")
    block = data[offset : offset + size]
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # restart points close the block
    position, key = 0, b""
    while position < end:
        shared, position = read_varint(block, position)
        unshared, position = read_varint(block, position)
        length, position = read_varint(block, position)
        if position + unshared + length > end:
            raise WireError(f"checkpoint entry at {offset + position} runs past its block")
        if shared + unshared > MAX_KEY_BYTES:
            raise WireError(f"checkpoint entry at {offset + position} has a name of more than {MAX_KEY_BYTES} bytes")
        key = key[:shared] + bytes(block[position : position + unshared])
        position += unshared
        yield key, block[position : position + length]
        position += length


def _attribute(node: memoryview, name: str, number: int) -> memoryview | int | None:
    """Field `number` of a NodeDef's attribute `name`; None if absent."""
    for entry in nested(node, 5):
        if text(entry, 1) == name:
            for found, value in fields(next(nested(entry, 2), memoryview(b""))):
                if found == number:
                    return value
    return None


def shape_of(message: memoryview) -> tuple[int, ...]:
    """The shape in a TensorShapeProto."""
    shape = tuple(integer(dimension, 1) for dimension in islice(nested(message, 2), MAX_DIMENSIONS + 1))
    if len(shape) > MAX_DIMENSIONS:
        raise WireError(f"a shape has more than {MAX_DIMENSIONS} dimensions")
    return shape


def _tensor(message: memoryview, filled: Budget) -> NDArray[np.float32]:
    """The array in a float32 TensorProto: raw content, a list of values, or one value for all elements."""
    shape = shape_of(next(nested(message, 2), memoryview(b"")))
    content = next(nested(message, 4), None)
    size = math.prod(shape)
    if content is not None and len(content) % 4 == 0:
        values: NDArray[np.float32] = np.frombuffer(content, dtype="<f4")
    else:
        values = floats(message, 5)
        if 0 < len(values) < size:  # the last value stands for all that follow
            filled.spend(f"a tensor of shape {shape} with {len(values):,} values", 4 * size)
            values = np.concatenate([values, np.full(size - len(values), values[-1], dtype=np.float32)])
    if len(values) != size:
        raise WireError(f"a tensor of shape {shape} has {len(values)} values")
    return values.reshape(shape)
