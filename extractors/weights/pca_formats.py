"""PCA files in their published formats, to a `Pca`.

| path | content | public file |
|---|---|---|
| folder, .tgz, .tar.gz | mean.npy, eigenvals.npy, eigenvecs.npy | yt8m_pca.tgz |
| .pb | MediaPipe's `*_projection_matrix_data.pb`, with `*_mean_matrix_data.pb` in the same folder | pca_matrix_data |
| .npz, .pth | `pca_eigen_vectors`, `pca_means` | vggish_pca_params |
| .safetensors | `mean`, `matrix` | written by this package |

The first format is whitened here; the others include any whitening in their matrix. Nothing but arrays is unpickled.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from extractors.networks.pca import OUTPUT_DIMS, Array, Pca, PcaStatistics
from extractors.weights.archive import read_members
from extractors.weights.content import WeightsError, foreign_content
from extractors.weights.formats import DAMAGE
from extractors.weights.protobuf_wire import WireError, floats, integer
from extractors.weights.torch_files import load_torch

MEMBERS = ("mean.npy", "eigenvals.npy", "eigenvecs.npy")
MAX_ARCHIVE_BYTES = 128 << 20
ROW_MAJOR = 1


def read_pca(path: Path) -> Pca:
    """Read a PCA; the suffix of `path` determines the format.

    Raises:
        WeightsError: if the format is unknown, the file is damaged, or the shapes of its arrays disagree.
    """
    suffixes = [""] if path.is_dir() else [suffix for suffix in READERS if suffix and path.name.endswith(suffix)]
    if not suffixes:
        accepted = "a folder, " + ", ".join(suffix for suffix in READERS if suffix)
        raise WeightsError(f"PCA {path} has an unknown format; accepted are {accepted}")
    problem = foreign_content(path)
    if problem:
        raise WeightsError(f"{path} {problem}")
    try:
        return READERS[suffixes[0]](path)
    except (*DAMAGE, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is not a usable PCA: {error}") from error


def write_statistics(statistics: PcaStatistics, folder: Path) -> None:
    """Write a fitted PCA as mean.npy, eigenvals.npy and eigenvecs.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(MEMBERS, (statistics.mean, statistics.eigenvals, statistics.eigenvecs), strict=True):
        np.save(folder / name, array)


def write_pca(pca: Pca, path: Path) -> None:
    """Write a PCA as .safetensors."""
    save_file({"mean": pca.mean, "matrix": np.ascontiguousarray(pca.matrix)}, path)


def _read_folder(path: Path) -> Pca:
    if list(path.glob("*_projection_matrix_data.pb")):
        return _read_mediapipe(next(iter(sorted(path.glob("*_projection_matrix_data.pb")))))
    return _whitened({name: (path / name).read_bytes() for name in MEMBERS})


def _read_archive(path: Path) -> Pca:
    return _whitened(read_members(path, MEMBERS, limit_bytes=MAX_ARCHIVE_BYTES))


def _whitened(members: Mapping[str, bytes]) -> Pca:
    arrays = [np.load(io.BytesIO(members[name]), allow_pickle=False).astype(np.float32) for name in MEMBERS]
    statistics = PcaStatistics(*arrays)
    width = statistics.mean.size
    if width not in OUTPUT_DIMS:
        raise ValueError(f"mean.npy has {width} values; supported are {', '.join(map(str, OUTPUT_DIMS))}")
    return statistics.whitened(OUTPUT_DIMS[width])


def _read_mediapipe(path: Path) -> Pca:
    if not path.name.endswith("_projection_matrix_data.pb"):
        raise ValueError("its name must end in _projection_matrix_data.pb; give the projection, not the mean")
    mean_path = path.with_name(path.name.replace("_projection_matrix", "_mean_matrix"))
    if not mean_path.exists():
        raise ValueError(f"{mean_path.name} is missing in the same folder")
    # The projection multiplies column vectors from the left: D_out, D_in.
    return Pca(_matrix_data(mean_path).reshape(-1), np.ascontiguousarray(_matrix_data(path).T))


def _matrix_data(path: Path) -> Array:
    """MediaPipe's MatrixData message: rows, cols, packed floats in column-major order unless flagged as row-major."""
    message = path.read_bytes()
    rows, columns, values = integer(message, 1), integer(message, 2), floats(message, 3)
    if rows * columns != values.size or values.size == 0:
        raise WireError(f"{path.name} declares {rows} x {columns} values and has {values.size}")
    order = (rows, columns) if integer(message, 4) == ROW_MAJOR else (columns, rows)
    matrix = values.reshape(order)
    return matrix if integer(message, 4) == ROW_MAJOR else matrix.T


def _read_npz(path: Path) -> Pca:
    with np.load(path, allow_pickle=False) as arrays:
        return _from_vggish(arrays["pca_means"], arrays["pca_eigen_vectors"])


def _read_torch(path: Path) -> Pca:
    params = load_torch(path)
    return _from_vggish(np.asarray(params["pca_means"]), np.asarray(params["pca_eigen_vectors"]))


def _from_vggish(means: np.ndarray, vectors: np.ndarray) -> Pca:
    return Pca(means.reshape(-1).astype(np.float32), np.ascontiguousarray(vectors.T, dtype=np.float32))


def _read_safetensors(path: Path) -> Pca:
    arrays = load_file(path)
    return Pca(arrays["mean"], arrays["matrix"])


READERS: dict[str, Callable[[Path], Pca]] = {
    "": _read_folder,
    ".tgz": _read_archive,
    ".tar.gz": _read_archive,
    ".pb": _read_mediapipe,
    ".npz": _read_npz,
    ".pth": _read_torch,
    ".safetensors": _read_safetensors,
}
