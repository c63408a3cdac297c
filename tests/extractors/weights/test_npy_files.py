import io
import pickle

import numpy as np
import pytest

from extractors.weights.npy_files import read_npy, read_npz
from schemas.budget import Budget, BudgetError
from tests.support.bombs import Member, npy_header, write_npz_bomb, write_zip
from tests.support.memory import memory_below


def budget(limit_bytes=1 << 20):
    return Budget(limit_bytes, "it is small")


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i4", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers_are_read_as_float32(dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3), dtype, order=order)
    found = read_npy(saved(array), "a", budget())
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array.astype(np.float32))
    assert read_npy(saved(np.float32(3)), "a", budget()) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy_header((1 << 40,)),
            r"a of shape \(1099511627776,\) claims 8,796,093,022,208 bytes, more than the 1,048,576",
        ),
        (npy_header((-1, -8)) + bytes(64), r"a holds float64 of shape \(-1, -8\)"),
        (npy_header((4,)) + bytes(31), r"a of shape \(4,\) ends after 31 of 32 bytes"),
        (npy_header((1,), "|O") + pickle.dumps([print]), "a holds object of shape"),
        (npy_header((1,), "<f16") + bytes(16), "a holds float128 of shape"),
        (npy_header((1,), "|V8") + bytes(8), "a holds .* of shape"),
        (
            b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b" " * 100,
            r"a is of version \(2, 0\) of the format",
        ),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "a has a damaged header"),
        (b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10000, "a has a damaged header"),
        (b"no array at all", "magic"),
    ],
)
def test_what_is_no_array_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_npy(io.BytesIO(content), "a", budget())


def test_arrays_together_have_one_budget(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(100), b=np.zeros(100), other=np.zeros(1 << 20))
    assert set(read_npz(tmp_path / "a.npz", ["a", "b"], budget(1600))) == {"a", "b"}
    with pytest.raises(BudgetError, match=r"up to b of shape \(100,\), it claims 1,600 bytes"):
        read_npz(tmp_path / "a.npz", ["a", "b"], budget(1599))
    with pytest.raises(KeyError, match="lacking"):
        read_npz(tmp_path / "a.npz", ["lacking"], budget())


def test_a_member_that_unpacks_to_more_is_not_unpacked(tmp_path):
    path = write_npz_bomb(tmp_path / "a.npz", 400)
    assert path.stat().st_size < 1 << 20
    with memory_below(40), pytest.raises(BudgetError, match=r"claims 419,430,400 bytes"):
        read_npz(path, ["pca_means", "pca_eigen_vectors"], budget())


def test_what_follows_an_array_is_not_unpacked(tmp_path):
    start = npy_header((2,)) + np.array([1.0, 2.0]).tobytes()
    path = write_zip(tmp_path / "a.npz", {"a.npy": Member.zeros(400, start)})
    with memory_below(40):
        assert read_npz(path, ["a"], budget())["a"].tolist() == [1.0, 2.0]
