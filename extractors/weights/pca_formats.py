"""PCA files in their published formats, to a `Pca`.

| path | content | public file |
|---|---|---|
| folder, .tgz, .tar.gz | mean.npy, eigenvals.npy, eigenvecs.npy | yt8m_pca.tgz |
| .pb | MediaPipe's `*_projection_matrix_data.pb`, with `*_mean_matrix_data.pb` in the same folder | pca_matrix_data |
| .npz, .pth | `pca_eigen_vectors`, `pca_means` | vggish_pca_params |
| .safetensors | `mean`, `matrix` | written by this package |

The first format is whitened here; the others include any whitening in their matrix. Nothing but arrays is unpickled,
and no more than the arrays of the widest PCA take is read, whatever a file claims.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from extractors.networks.pca import Array, Pca, PcaStatistics
from extractors.networks.sizes import OUTPUT_DIMS
from extractors.weights.archive import read_members
from extractors.weights.content import WeightsError, foreign_content
from extractors.weights.formats import DAMAGE
from extractors.weights.npy_files import read_npy, read_npz
from extractors.weights.protobuf_wire import WireError, floats, integer
from extractors.weights.torch_files import check_safetensors, load_torch, stored_tensor
from schemas.budget import Budget

MEMBERS = ("mean.npy", "eigenvals.npy", "eigenvecs.npy")
VGGISH_NAMES = ("pca_means", "pca_eigen_vectors")
WIDEST = max(OUTPUT_DIMS)
LIMIT_BYTES = 64 << 20  # WIDEST x WIDEST numbers of 8 bytes are 32 MiB; the rest is for means, values and headers
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
        return READERS[suffixes[0]](path, _budget())
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


def _budget() -> Budget:
    return Budget(LIMIT_BYTES, f"a PCA has at most {WIDEST} x {WIDEST} numbers: bring the published file")


def _read_folder(path: Path, budget: Budget) -> Pca:
    if list(path.glob("*_projection_matrix_data.pb")):
        return _read_mediapipe(next(iter(sorted(path.glob("*_projection_matrix_data.pb")))), budget)
    arrays = {}
    for name in MEMBERS:
        with (path / name).open("rb") as stream:
            arrays[name] = read_npy(stream, name, budget)
    return _whitened(arrays)


def _read_archive(path: Path, budget: Budget) -> Pca:
    contents = read_members(path, MEMBERS, limit_bytes=budget.limit_bytes)
    return _whitened({name: read_npy(io.BytesIO(contents[name]), name, budget) for name in MEMBERS})


def _whitened(arrays: Mapping[str, Array]) -> Pca:
    statistics = PcaStatistics(*(arrays[name] for name in MEMBERS))
    width = statistics.mean.size
    if width not in OUTPUT_DIMS:
        raise ValueError(f"mean.npy has {width} values; supported are {', '.join(map(str, OUTPUT_DIMS))}")
    return statistics.whitened(OUTPUT_DIMS[width])


def _read_mediapipe(path: Path, budget: Budget) -> Pca:
    if not path.name.endswith("_projection_matrix_data.pb"):
        raise ValueError("its name must end in _projection_matrix_data.pb; give the projection, not the mean")
    mean_path = path.with_name(path.name.replace("_projection_matrix", "_mean_matrix"))
    if not mean_path.exists():
        raise ValueError(f"{mean_path.name} is missing in the same folder")
    # The projection multiplies column vectors from the left: D_out, D_in.
    mean, projection = _matrix_data(mean_path, budget), _matrix_data(path, budget)
    return Pca(mean.reshape(-1), np.ascontiguousarray(projection.T))


def _matrix_data(path: Path, budget: Budget) -> Array:
    """MediaPipe's MatrixData message: rows, cols, packed floats in column-major order unless flagged as row-major."""
    budget.spend(path.name, path.stat().st_size)
    message = path.read_bytes()
    rows, columns, values = integer(message, 1), integer(message, 2), floats(message, 3)
    if rows * columns != values.size or values.size == 0:
        raise WireError(f"{path.name} declares {rows} x {columns} values and has {values.size}")
    order = (rows, columns) if integer(message, 4) == ROW_MAJOR else (columns, rows)
    matrix = values.reshape(order)
    return matrix if integer(message, 4) == ROW_MAJOR else matrix.T


def _read_npz(path: Path, budget: Budget) -> Pca:
    budget.allow("the file", path.stat().st_size)
    arrays = read_npz(path, VGGISH_NAMES, budget)
    return _from_vggish(*(arrays[name] for name in VGGISH_NAMES))


def _read_torch(path: Path, budget: Budget) -> Pca:
    params = load_torch(path, budget)
    return _from_vggish(*(stored_tensor(name, params[name], budget).numpy() for name in VGGISH_NAMES))


def _from_vggish(means: np.ndarray, vectors: np.ndarray) -> Pca:
    return Pca(means.reshape(-1).astype(np.float32), np.ascontiguousarray(vectors.T, dtype=np.float32))


def _read_safetensors(path: Path, budget: Budget) -> Pca:
    check_safetensors(path, budget)
    arrays = load_file(path)
    return Pca(arrays["mean"], arrays["matrix"])


READERS: dict[str, Callable[[Path, Budget], Pca]] = {
    "": _read_folder,
    ".tgz": _read_archive,
    ".tar.gz": _read_archive,
    ".pb": _read_mediapipe,
    ".npz": _read_npz,
    ".pth": _read_torch,
    ".safetensors": _read_safetensors,
}
