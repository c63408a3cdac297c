from pathlib import Path

import numpy as np
import pytest

from extractors.weights.protobuf_wire import WireError
from extractors.weights.tensorflow_files import read_checkpoint, read_graph_constants, table_entries
from schemas.budget import BudgetError
from tests.support.memory import memory_below
from tests.support.protobuf import field
from tests.support.tables import table

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


def constant(name, sizes, *values):
    """A node whose constant lists some values; the last one stands for the rest."""
    shape = b"".join(field(2, field(1, size)) for size in sizes)
    tensor = field(1, 1) + field(2, shape) + b"".join(field(5, value) for value in values)
    return field(1, field(1, name) + field(2, "Const") + field(5, field(1, "value") + field(2, field(8, tensor))))


def test_one_value_stands_for_small_arrays_alone():
    assert read_graph_constants(constant("a", [1000, 1000], 1.5))["a"].shape == (1000, 1000)
    many = b"".join(constant(f"c{number}", [10 << 20], 1.0) for number in range(100))
    with (
        memory_below(100),
        pytest.raises(BudgetError, match=r"up to a tensor of shape \(10485760,\) with 1 values, it"),
    ):
        read_graph_constants(many)
    with memory_below(10), pytest.raises(BudgetError, match=r"claims 4,294,967,296 bytes, more than the 67,108,864"):
        read_graph_constants(constant("a", [1 << 30], 1.0))


def test_shapes_have_few_dimensions():
    with pytest.raises(WireError, match="a shape has more than 8 dimensions"):
        read_graph_constants(constant("a", [(1 << 62) + 1] * 50_000, 1.0))


def test_names_that_share_their_start_are_bounded():
    entries = [(0, b"a" * 4000, b""), *((4000 + number, b"b", b"") for number in range(200))]
    with pytest.raises(WireError, match="has a name of more than 4096 bytes"):
        list(table_entries(table(entries)))


def test_blocks_that_are_listed_again_are_refused():
    entries = [(0, b"a", b"1"), (0, b"b", b"2")]
    assert [(key, bytes(value)) for key, value in table_entries(table(entries, entries))] == [
        *((b"a", b"1"), (b"b", b"2")),
        *((b"a", b"1"), (b"b", b"2")),
    ]
    with pytest.raises(WireError, match="checkpoint block at 0 overlaps the one before it"):
        list(table_entries(table(entries, handles=[0, 0])))
