from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from extractors.weights import hdf5_storage
from extractors.weights.content import Hdf5Error
from extractors.weights.hdf5_file import read_arrays
from extractors.weights.hdf5_storage import check_storage, claimed_bytes
from tests.support.bombs import deflated_zeros, write_chunk_bomb
from tests.support.memory import memory_below

VALUES = np.random.default_rng(0).standard_normal((300, 70)).astype(np.float32)


def with_array(path: Path, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (64, 32)},
        {"chunks": (64, 32), "compression": "gzip"},
        {"chunks": (64, 32), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (512, 128), "compression": "gzip", "maxshape": (None, None)},  # larger than the array
        {"chunks": (300, 70), "fletcher32": True},
    ],
)
def test_stored_values_pass(tmp_path: Path, options: dict[str, Any]) -> None:
    path = with_array(tmp_path / "x.h5", data=VALUES, **options)
    np.testing.assert_array_equal(read_arrays(path)["a"].numpy(), VALUES)


@pytest.mark.parametrize("shape", [(), (0, 4)])
def test_scalars_and_empty_arrays_pass(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = with_array(tmp_path / "x.h5", data=np.zeros(shape, np.float32))
    assert read_arrays(path)["a"].shape == shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (1000, 1000), "dtype": "f4"}, "claims 4,000,000 bytes and stores 0"),
        ({"shape": (1000, 1000), "dtype": "f4", "chunks": (100, 100)}, "has 0 chunks; expected all 100"),
        ({"data": VALUES, "compression": "lzf"}, r"is stored with the filters \[32000\]: save it without"),
    ],
)
def test_values_that_are_not_stored_as_they_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = with_array(tmp_path / "x.h5", **options)
    with memory_below(20), pytest.raises(Hdf5Error, match=message):
        read_arrays(path)


def test_a_chunk_that_unpacks_to_more_is_not_unpacked(tmp_path: Path) -> None:
    path = write_chunk_bomb(tmp_path / "x.h5", "a", (64, 64), 400)
    with memory_below(40), pytest.raises(Hdf5Error, match="has a chunk that unpacks to more than its 16,384 bytes"):
        read_arrays(path)


def test_a_chunk_larger_than_its_array_is_not_unpacked(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        array = file.create_dataset("a", (8, 8), "f4", chunks=(1 << 13, 1 << 13), maxshape=(None, None), compression=9)
        array.id.write_direct_chunk((0, 0), deflated_zeros(256, wbits=15))
    with memory_below(40), pytest.raises(Hdf5Error, match="array /a of 256 bytes has chunks of 268,435,456"):
        read_arrays(tmp_path / "x.h5")


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        array = file.create_dataset("a", (8, 8), "f4", chunks=(8, 8), compression="gzip")
        array.id.write_direct_chunk((0, 0), b"no deflate stream")
    with pytest.raises(Hdf5Error, match="array /a has a damaged chunk"):
        read_arrays(tmp_path / "x.h5")


def test_compressed_arrays_are_at_most_a_multiple_of_the_file(tmp_path: Path) -> None:
    path = with_array(tmp_path / "x.h5", data=np.zeros((100 << 18,), np.float32), chunks=(1 << 18,), compression="gzip")
    message = r"claims 104,857,600 bytes, more than the 67,108,864 allowed: the file has [\d,]+, and weights hardly"
    with memory_below(40), pytest.raises(Hdf5Error, match=message):
        read_arrays(path)


def test_chunks_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_storage, "MAX_CHUNKS", 10)
    path = with_array(tmp_path / "x.h5", data=VALUES, chunks=(10, 70))
    with h5py.File(path) as file, pytest.raises(ValueError, match="has 30 chunks; expected all 30, at most 10"):
        check_storage(file["a"])


def test_sizes_do_not_overflow(tmp_path: Path) -> None:
    path = with_array(tmp_path / "x.h5", shape=(1 << 40, 1 << 40), dtype="f4", chunks=(1, 1 << 10))
    with h5py.File(path) as file:
        assert claimed_bytes(file["a"]) == 1 << 82
