"""A reader of TensorFlow checkpoints of format version 2, without TensorFlow.

In: the index (`PREFIX.index`) and the shards (`PREFIX.data-00000-of-00001`, …), as bytes. Out: {variable name: float32
array}. The index is a sorted table as in `tensorflow_files`: its first entry describes the checkpoint, each of the
others locates a variable.

Source: tensorflow `core/protobuf/tensor_bundle.proto`. Types other than float32 are skipped, checksums not verified.
Variables are views of the shards, and together have no more bytes than these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from extractors.weights.protobuf_wire import WireError, integer, nested
from extractors.weights.tensorflow_files import DT_FLOAT, Constants, shape_of, table_entries

MAX_SHARDS = 10_000


def shard_names(prefix: str, index: bytes) -> list[str]:
    """The file names of the shards of the checkpoint `prefix`.

    Raises:
        WireError: if `index` is not the index of a checkpoint.
    """
    for key, header in table_entries(index):
        count = integer(header, 1)
        if key or not 1 <= count <= MAX_SHARDS or integer(header, 2):  # the second field: big-endian numbers
            break
        return [f"{prefix}.data-{number:05d}-of-{count:05d}" for number in range(count)]
    raise WireError("the checkpoint's index does not start with a header for 1 or more little-endian shards")


def read_bundle(index: bytes, shards: Sequence[bytes]) -> Constants:
    """The float32 variables of a checkpoint by name.

    Raises:
        WireError: if the index is damaged, stores a variable in several slices, points outside the shards, or has
            variables that share their bytes.
    """
    variables: Constants = {}
    claimed, stored = 0, sum(map(len, shards))
    for key, entry in table_entries(index):
        if not key or integer(entry, 1) != DT_FLOAT:
            continue
        name = key.decode(errors="replace")
        if any(True for _ in nested(entry, 7)):
            raise WireError(f"variable {name!r} is stored in several slices; save it again without partitions")
        shape = shape_of(next(nested(entry, 2), memoryview(b"")))
        shard, offset, size_bytes = (integer(entry, number) for number in (3, 4, 5))
        if not shard < len(shards) or offset + size_bytes > len(shards[shard]) or size_bytes != 4 * math.prod(shape):
            raise WireError(
                f"variable {name!r} of shape {shape} should be {size_bytes} bytes at {offset} of shard {shard}, "
                f"but the shards do not contain them"
            )
        claimed += size_bytes
        if claimed > stored:
            raise WireError(f"up to {name!r}, its variables claim {claimed:,} bytes, and the shards have {stored:,}")
        values = np.frombuffer(shards[shard], dtype="<f4", count=math.prod(shape), offset=offset)
        variables[name] = values.reshape(shape)
    return variables
