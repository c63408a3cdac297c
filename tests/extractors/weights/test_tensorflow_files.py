from pathlib import Path

import numpy as np
import pytest

from extractors.weights.protobuf_wire import WireError
from extractors.weights.tensorflow_files import read_checkpoint, read_graph_constants

FOLDER = Path(__file__).parents[2] / "fixtures" / "tensorflow"  # written by TensorFlow: make.py beside the files


def test_constants_of_a_graph_that_tensorflow_wrote():
    constants = read_graph_constants((FOLDER / "constants.pb").read_bytes())
    content = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
    expected = {
        "small/listed": np.arange(6, dtype=np.float32).reshape(2, 3),
        "splat": np.full((4, 5), 2.5, np.float32),
        "scalar": np.float32(1.25),
        "content": content,
        "unused_scale": np.ones(3, np.float32),  # the norm that takes it does not scale
    }
    assert set(constants) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(constants[name], values)


def test_variables_of_a_checkpoint_that_tensorflow_wrote():
    variables = read_checkpoint((FOLDER / "checkpoint_v1.ckpt").read_bytes())
    random = np.random.default_rng(1)
    shapes = {"vggish/conv1/weights": (3, 3, 1, 4), "vggish/conv1/biases": (4,), "vggish/fc2/weights": (8, 5)}
    assert set(variables) == set(shapes)
    for name, shape in shapes.items():
        np.testing.assert_array_equal(variables[name], random.standard_normal(shape).astype(np.float32))


def test_truncated_files_are_refused():
    whole = (FOLDER / "checkpoint_v1.ckpt").read_bytes()
    for size in range(0, len(whole), 7):
        with pytest.raises(WireError):
            read_checkpoint(whole[:size])


def test_damaged_bytes_raise_the_documented_error():
    whole = bytearray((FOLDER / "checkpoint_v1.ckpt").read_bytes())
    outcomes = {"read": 0, "refused": 0}
    for position in range(len(whole) - 48):
        damaged = whole.copy()
        damaged[position] ^= 0xFF
        try:
            read_checkpoint(bytes(damaged))
        except WireError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
    assert min(outcomes.values()) > 0
