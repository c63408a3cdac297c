import io
import pickle
import tarfile

import numpy as np
import pytest
import torch

from extractors.networks.pca import Pca, fit_pca
from extractors.weights.content import WeightsError
from extractors.weights.pca_formats import read_pca, write_pca, write_statistics
from tests.support.bombs import Claim, Member, npy_header, write_npz_bomb, write_torch
from tests.support.memory import memory_below
from tests.support.protobuf import field


@pytest.fixture(scope="module")
def statistics():
    return fit_pca([np.random.default_rng(0).standard_normal((400, 128)).astype(np.float32)])


@pytest.fixture
def arrays():
    random = np.random.default_rng(1)
    return random.standard_normal(128), random.standard_normal((128, 128))  # means, eigenvectors in rows


def assert_same(found, expected):
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.matrix, expected.matrix)


def matrix_data(array, *, row_major=False):
    values = array if row_major else array.T
    message = field(1, array.shape[0]) + field(2, array.shape[1]) + field(3, values.astype("<f4").tobytes())
    return message + (field(4, 1) if row_major else b"")


def test_folder_and_archive_of_npy_files(tmp_path, statistics):
    write_statistics(statistics, tmp_path / "pca")
    expected = statistics.whitened(128)
    assert_same(read_pca(tmp_path / "pca"), expected)
    with tarfile.open(tmp_path / "yt8m_pca.tgz", "w:gz") as archive:
        archive.add(tmp_path / "pca", arcname="yt8m_pca")
    assert_same(read_pca(tmp_path / "yt8m_pca.tgz"), expected)


@pytest.mark.parametrize("row_major", [False, True])
def test_mediapipe_pair(tmp_path, row_major):
    projection = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)  # out, in
    mean = np.arange(5, dtype=np.float32)[:, None]
    path = tmp_path / "inception3_projection_matrix_data.pb"
    path.write_bytes(matrix_data(projection, row_major=row_major))
    with pytest.raises(WeightsError, match="inception3_mean_matrix_data"):
        read_pca(path)
    (tmp_path / "inception3_mean_matrix_data.pb").write_bytes(matrix_data(mean))
    expected = Pca(mean[:, 0], projection.T)
    assert_same(read_pca(path), expected)
    assert_same(read_pca(tmp_path), expected)


@pytest.mark.parametrize("shape", [(128,), (128, 1)])
def test_vggish_npz(tmp_path, arrays, shape):
    means, vectors = arrays
    np.savez(tmp_path / "vggish_pca_params.npz", pca_means=means.reshape(shape), pca_eigen_vectors=vectors)
    pca = read_pca(tmp_path / "vggish_pca_params.npz")
    rows = np.random.default_rng(2).standard_normal((4, 128)).astype(np.float32)
    np.testing.assert_allclose(pca.apply(rows), (vectors @ (rows.T - means[:, None])).T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("convert", [torch.from_numpy, np.asarray])
def test_vggish_pth_with_tensors_or_numpy_arrays(tmp_path, arrays, kind, convert):
    means, vectors = (array.astype(kind) for array in arrays)
    path = tmp_path / "vggish_pca_params.pth"
    torch.save({"pca_means": convert(means), "pca_eigen_vectors": convert(vectors)}, path)
    assert_same(read_pca(path), Pca(means.astype(np.float32), vectors.T.astype(np.float32)))


def test_vggish_pth_from_before_numpy_2(tmp_path, arrays):
    path = tmp_path / "vggish_pca_params.pth"
    torch.save({"pca_means": arrays[0], "pca_eigen_vectors": arrays[1]}, path, _use_new_zipfile_serialization=False)
    old = path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(old)
    np.testing.assert_array_equal(read_pca(path).mean, arrays[0].astype(np.float32))


def test_own_format(tmp_path, statistics):
    write_pca(statistics.whitened(64), tmp_path / "pca.safetensors")
    assert_same(read_pca(tmp_path / "pca.safetensors"), statistics.whitened(64))


class Payload:
    def __reduce__(self):
        return (open, ("pwned", "w"))


def test_pickles_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"pca_means": Payload()}, "a.pth")
    np.savez("a.npz", pca_means=np.array([Payload()], dtype=object), pca_eigen_vectors=np.eye(1))
    (tmp_path / "folder").mkdir()
    for name in ("mean", "eigenvals", "eigenvecs"):
        (tmp_path / "folder" / f"{name}.npy").write_bytes(pickle.dumps(Payload()))
    for name in ("a.pth", "a.npz", "folder"):
        with pytest.raises(WeightsError, match=name):
            read_pca(tmp_path / name)
    assert not (tmp_path / "pwned").exists()


def test_an_archive_with_an_array_of_excessive_size_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        for name in ("mean", "eigenvals", "eigenvecs"):
            info = tarfile.TarInfo(f"{name}.npy")
            info.size = len(header.getvalue())
            archive.addfile(info, io.BytesIO(header.getvalue()))
    with pytest.raises(WeightsError, match=r"a\.tgz"):
        read_pca(tmp_path / "a.tgz")


@pytest.mark.parametrize("name", ["a.tgz", "a_projection_matrix_data.pb", "a.npz", "a.pth", "a.safetensors"])
def test_damaged_files_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x0a\xffnot what it says" * 50)
    (tmp_path / "a_mean_matrix_data.pb").write_bytes(matrix_data(np.ones((2, 1), np.float32)))
    with pytest.raises(WeightsError, match=name):
        read_pca(tmp_path / name)


def test_unknown_formats_list_the_known_ones(tmp_path):
    with pytest.raises(WeightsError, match=r"a folder, \.tgz"):
        read_pca(tmp_path / "pca.mat")


def refused(path, message):
    with memory_below(100), pytest.raises(WeightsError, match=rf"(?s){path.name} is not a usable PCA: .*{message}"):
        read_pca(path)


def test_arrays_that_unpack_to_more_than_a_pca_are_refused(tmp_path):
    path = write_npz_bomb(tmp_path / "a.npz", 400)
    refused(
        path, r"pca_eigen_vectors of shape \(52428800,\) claims 419,430,400 bytes, more than the 67,108,864 allowed"
    )


def test_an_archive_that_unpacks_to_more_than_a_pca_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("mean.npy")
        info.size = 200 << 20
        archive.addfile(info, io.BytesIO(npy_header((25 << 20,)) + bytes(info.size)))
    refused(tmp_path / "a.tgz", "mean.npy claims 209,715,200 bytes")


def test_a_folder_with_an_array_of_excessive_size_is_refused(tmp_path, statistics):
    write_statistics(statistics, tmp_path / "pca")
    with (tmp_path / "pca" / "eigenvecs.npy").open("wb") as file:
        file.write(npy_header((1 << 40,)))
        file.truncate(8 << 30)  # a hole
    refused(tmp_path / "pca", "eigenvecs.npy of shape .* claims 8,796,093,022,208 bytes")


@pytest.mark.parametrize("name", ["a_projection_matrix_data.pb", "a.npz", "a.pth", "a.safetensors"])
def test_files_larger_than_any_pca_are_not_read(tmp_path, name):
    (tmp_path / "a_mean_matrix_data.pb").write_bytes(matrix_data(np.ones((2, 1), np.float32)))
    with (tmp_path / name).open("wb") as file:
        file.truncate(8 << 30)
    refused(
        tmp_path / name, "claims 8,589,934,592 bytes, more than the 67,108,864 allowed: a PCA has at most 2048 x 2048"
    )


def test_vectors_of_one_value_are_refused(tmp_path):
    vectors = Claim(1, (1 << 14, 1 << 14), (0, 0))
    one = Member.stored(np.ones(1, "<f4").tobytes())
    path = write_torch(
        tmp_path / "a.pth", {"pca_means": Claim(1, (1,), (1,)), "pca_eigen_vectors": vectors}, {"0": one}
    )
    refused(path, "pca_eigen_vectors of shape .* claims 1,073,741,824 bytes, of which 4 are stored")
