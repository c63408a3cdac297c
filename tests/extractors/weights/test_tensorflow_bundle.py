from pathlib import Path

import numpy as np
import pytest

from extractors.weights.protobuf_wire import WireError
from extractors.weights.tensorflow_bundle import read_bundle, shard_names
from tests.support.protobuf import field
from tests.support.tables import table

FOLDER = Path(__file__).parents[2] / "fixtures" / "tensorflow"  # written by TensorFlow: make.py beside the files
PREFIX = FOLDER / "checkpoint_v2.ckpt"


def files() -> tuple[bytes, list[bytes]]:
    index = Path(f"{PREFIX}.index").read_bytes()
    return index, [Path(name).read_bytes() for name in shard_names(str(PREFIX), index)]


def test_variables_of_a_checkpoint_that_tensorflow_wrote() -> None:
    variables = read_bundle(*files())
    random = np.random.default_rng(2)
    shapes = {"RGB/Conv3d/conv_3d/w": (2, 3, 3, 1, 4), "RGB/Conv3d/batch_norm/beta": (1, 1, 1, 1, 4), "scalar": ()}
    assert set(variables) == set(shapes)  # and not the step, an integer
    for name, shape in shapes.items():
        np.testing.assert_array_equal(variables[name], np.asarray(random.standard_normal(shape), np.float32))


def test_shards_are_named_as_tensorflow_names_them() -> None:
    index, _ = files()
    assert shard_names("gs://b/model.ckpt", index) == ["gs://b/model.ckpt.data-00000-of-00001"]


def test_an_index_that_points_outside_the_shards_is_refused() -> None:
    index, shards = files()
    with pytest.raises(WireError, match="of shard 0, but the shards do not contain them"):
        read_bundle(index, [shards[0][:-4]])
    with pytest.raises(WireError, match="of shard 0, but the shards do not contain them"):
        read_bundle(index, [])


def test_truncated_files_are_refused() -> None:
    index, shards = files()
    for size in range(len(index)):
        with pytest.raises(WireError):
            read_bundle(index[:size], shards)


def test_a_checkpoint_of_version_1_is_refused() -> None:
    with pytest.raises(WireError, match="does not start with a header for 1 or more"):
        shard_names("x", (FOLDER / "checkpoint_v1.ckpt").read_bytes())


def test_damaged_bytes_raise_the_documented_error() -> None:
    index, shards = files()
    outcomes = {"read": 0, "refused": 0}
    for position in range(len(index) - 48):
        damaged = bytearray(index)
        damaged[position] ^= 0xFF
        try:
            read_bundle(bytes(damaged), shards)
        except WireError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
    assert min(outcomes.values()) > 0


def test_variables_that_share_their_bytes_are_refused() -> None:
    header = (0, b"", field(1, 1))
    variable = field(1, 1) + field(2, field(2, field(1, 4))) + field(4, 0) + field(5, 16)
    entries = [header, *((0, b"v%d" % number, variable) for number in range(3))]
    assert read_bundle(table(entries[:2]), [bytes(16)])["v0"].shape == (4,)
    with pytest.raises(WireError, match="up to 'v1', its variables claim 32 bytes, and the shards have 16"):
        read_bundle(table(entries), [bytes(16)])
