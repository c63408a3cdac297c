import struct

import numpy as np
import pytest

from extractors.weights import protobuf_wire
from extractors.weights.protobuf_wire import WireError, fields, floats, integer, nested, text
from tests.support.protobuf import field, varint


def test_fields_of_every_kind_come_in_order():
    message = field(1, 300) + field(2, b"abc") + field(3, 1.5) + varint(4 << 3 | 1) + struct.pack("<Q", 7)
    assert [
        (number, bytes(value) if isinstance(value, memoryview) else value) for number, value in fields(message)
    ] == [
        (1, 300),
        (2, b"abc"),
        (3, int.from_bytes(struct.pack("<f", 1.5), "little")),
        (4, 7),
    ]


def test_the_last_value_of_a_field_counts():
    message = field(1, "old") + field(2, 3) + field(1, "new") + field(2, 4)
    assert text(message, 1) == "new"
    assert integer(message, 2) == 4
    assert integer(message, 9, default=5) == 5
    assert [bytes(value) for value in nested(message, 1)] == [b"old", b"new"]


def test_floats_are_read_packed_and_one_by_one():
    packed = field(3, np.array([1.0, 2.0], dtype="<f4").tobytes())
    np.testing.assert_array_equal(floats(packed + field(3, 3.0), 3), [1.0, 2.0, 3.0])
    assert floats(b"", 3).shape == (0,)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"\x80", "ends inside a varint"),
        (b"\xff" * 11, "longer than 10"),
        (varint(1 << 3 | 2) + varint(9) + b"short", "declares 9 bytes"),
        (varint(1 << 3 | 3), "wire type 3"),
        (varint(1 << 3 | 5) + b"ab", "declares 4 bytes"),
    ],
)
def test_damaged_messages_are_refused(message, complaint):
    with pytest.raises(WireError, match=complaint):
        list(fields(message))


def test_an_integer_beyond_32_bits_is_no_float():
    with pytest.raises(WireError, match="field 3 holds 4294967296, which are not the bits of a float"):
        floats(field(3, 1 << 32), 3)


def test_floats_of_odd_length_are_refused():
    with pytest.raises(WireError, match="multiple of 4"):
        floats(field(3, b"12345"), 3)


def test_fields_are_counted(monkeypatch):
    monkeypatch.setattr(protobuf_wire, "MAX_FIELDS", 100)
    assert len(list(fields(field(1, 1) * 100))) == 100
    with pytest.raises(WireError, match="has more than 100 fields"):
        floats(field(5, 1.0) * 101, 5)
