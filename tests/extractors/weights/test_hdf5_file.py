from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from extractors.weights import hdf5_file
from extractors.weights.content import Hdf5Error
from extractors.weights.hdf5_file import read_arrays
from schemas.budget import Budget


def test_all_floating_point_arrays_are_read_by_their_paths(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a/b/kernel:0"] = np.arange(6, dtype=np.float64).reshape(2, 3)
        file["a/half"] = np.ones(2, np.float16)
        file["steps"] = np.array(7)
        file["name"] = "text"
        file.create_group("empty")
    arrays = read_arrays(path)
    assert set(arrays) == {"a/b/kernel:0", "a/half"}
    torch.testing.assert_close(arrays["a/b/kernel:0"], torch.arange(6.0).reshape(2, 3))
    assert arrays["a/half"].dtype == torch.float32
    needed = read_arrays(path, Budget(8, "it is small"), is_needed=lambda name: name == "a/half")
    assert set(needed) == {"a/half"}


def harm(file: h5py.File, kind: str) -> None:
    if kind == "soft link":
        file["other"] = h5py.SoftLink("/a")
    elif kind == "external link":
        file["other"] = h5py.ExternalLink("secret.h5", "/a")
    elif kind == "external array":
        file.create_dataset("b", (4,), "f4", external=[("secret.bin", 0, h5py.h5f.UNLIMITED)])
    elif kind == "circle":
        file["group/again"] = file.create_group("group")
    elif kind == "giant":
        file.create_dataset("b", (1 << 40,), "f4", chunks=(1024,))
    elif kind == "other gates":
        inner = '{"class_name": "LSTM", "config": {"recurrent_activation": "hard_sigmoid"}}'
        file.attrs["model_config"] = (
            f'{{"config": {{"layers": [{{"class_name": "Bidirectional", "layer": {inner}}}]}}}}'
        )
    elif kind == "own gates":
        file.attrs["model_config"] = '{"config": {"recurrent_activation": {"class_name": "Own"}}}'
    elif kind == "deep description":
        file.attrs["model_config"] = "[" * 60_000
    elif kind == "not finite":
        file["b"] = np.array([1.0, np.inf])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("soft link", "link, which is never followed"),
        ("external link", "link, which is never followed"),
        ("external array", "is stored in another file"),
        ("circle", "more than 50 groups and arrays"),
        ("giant", r"array 'b' of shape \(1099511627776,\) claims 4,398,046,511,104 bytes, more than the"),
        ("other gates", "has the gates 'hard_sigmoid'; supported are 'sigmoid' alone"),
        ("own gates", r"has the gates \{'class_name': 'Own'\}"),
        ("deep description", "recursion"),
        ("not finite", "not finite"),
    ],
)
def test_harmful_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str) -> None:
    monkeypatch.setattr(hdf5_file, "MAX_OBJECTS", 50)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.ones(2, np.float32)
        harm(file, kind)
    with pytest.raises(Hdf5Error, match=f"x.h5 is not a usable HDF5 weights file: .*{message}"):
        read_arrays(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(Hdf5Error, match=r"x\.h5 is not a usable HDF5 weights file"):
        read_arrays(path)
