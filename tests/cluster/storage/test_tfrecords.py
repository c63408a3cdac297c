"""Files of records are TensorFlow's, and damage is found."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from cluster.features.tfrecord_files import tensorflow
from cluster.storage.tfrecords import RecordError, framed, is_tfrecord, record_at, record_places, tfrecord_stem

SIZES = (0, 1, 12, 255, 256, 257, 300, 4097, 70_001)


def contents() -> list[bytes]:
    rng = random.Random(0)
    return [rng.randbytes(size) for size in SIZES]


def file_of(*records: bytes) -> bytearray:
    return bytearray(b"".join(part for data in records for part in framed(data)))


def read(data: bytes) -> list[bytes]:
    file = io.BytesIO(data)
    return [record_at(file, place, "a") for place in record_places(file, "a")]


def test_tensorflow_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(file_of(*contents()))
    assert [one.numpy() for one in tensorflow().data.TFRecordDataset(str(path))] == contents()
    assert read(path.read_bytes()) == contents()


@pytest.mark.parametrize("place", [0, 9, 13, -2])
def test_damage_is_found(place: int) -> None:
    data = file_of(b"x" * 300)
    data[place] ^= 1
    with pytest.raises(RecordError, match=r"a, record 0"):
        read(data)


def test_damaged_data_leave_the_other_records_to_be_read() -> None:
    data = file_of(b"x" * 300, b"y" * 300)
    data[100] ^= 1
    file = io.BytesIO(data)
    first, second = record_places(file, "a")
    with pytest.raises(RecordError, match=r"a, record 0 is damaged: its checksum is wrong"):
        record_at(file, first, "a")
    assert record_at(file, second, "a") == b"y" * 300


def test_a_file_that_is_cut_off_is_damaged() -> None:
    data = file_of(b"x" * 300)
    for size in (5, 50, len(data) - 1):
        with pytest.raises(RecordError, match="the file ends inside it"):
            read(data[:size])


def test_files_have_their_names() -> None:
    names = ["a.tfrecord", "b/train.tfrecord-00003-of-00010", "a.tfrecord.txt", "tfrecord", "a.tfrecord-3"]
    assert [is_tfrecord(name) for name in names] == [True, True, False, False, False]
    assert [tfrecord_stem(name) for name in names[:2]] == ["a", "b/train-00003-of-00010"]
    assert tfrecord_stem("a.parquet") == "a.parquet"
