"""Files of records are TensorFlow's, and damage is found."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from cluster.cutting.record_file import RecordFileError, framed, masked_crc, records
from cluster.features.tfrecord_files import checksum, tensorflow

SIZES = (0, 1, 12, 255, 256, 257, 300, 4097, 70_001)


def contents() -> list[bytes]:
    rng = random.Random(0)
    return [rng.randbytes(size) for size in SIZES]


def test_checksums_are_those_of_a_plain_loop() -> None:
    assert [masked_crc(data) for data in contents()] == [checksum(data) for data in contents()]


def test_tensorflow_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(b"".join(part for data in contents() for part in framed(data)))
    assert [one.numpy() for one in tensorflow().data.TFRecordDataset(str(path))] == contents()
    with path.open("rb") as file:
        assert list(records(file, "a")) == contents()


@pytest.mark.parametrize("place", [0, 9, 13, -2])
def test_damage_is_found(place: int) -> None:
    data = bytearray(b"".join(framed(b"x" * 300)))
    data[place] ^= 1
    with pytest.raises(RecordFileError, match=r"a, record 0"):
        list(records(io.BytesIO(bytes(data)), "a"))


def test_a_file_that_is_cut_off_is_damaged() -> None:
    data = b"".join(framed(b"x" * 300))
    for size in (5, 50, len(data) - 1):
        with pytest.raises(RecordFileError):
            list(records(io.BytesIO(data[:size]), "a"))
