from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cluster.training.published_weights import Arrays, read_published
from extractors.weights.content import WeightsError
from tests.support.servers import http_files

TENSORFLOW = Path(__file__).parents[2] / "fixtures" / "tensorflow"
ARRAYS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    with http_files(tmp_path) as address:
        yield address


def same(found: Arrays) -> bool:
    return found.keys() == ARRAYS.keys() and all(torch.equal(found[key], ARRAYS[key]) for key in ARRAYS)


def save_legacy(arrays: Arrays, path: Path) -> None:
    """As PyTorch did before version 1.6."""
    torch.save(arrays, path, _use_new_zipfile_serialization=False)


def save_training(arrays: Arrays, path: Path) -> None:
    """As trainings save themselves: `.pth.tar`."""
    torch.save({"epoch": 3, "arch": "p3d", "best_prec1": 0.5, "state_dict": arrays}, path)


def save_hdf5(arrays: Arrays, path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array.numpy()


@pytest.mark.parametrize("save", [torch.save, save_legacy, save_training, save_file, save_hdf5])
def test_formats_are_detected_from_the_content(tmp_path: Path, save: Callable[[Arrays, Path], None]) -> None:
    path = tmp_path / "a name that says nothing"
    save(ARRAYS, path)
    assert same(read_published(str(path)))
    assert same(read_published(f"file://{path}"))


def test_wrappers_and_numbers_of_a_training_do_not_matter(tmp_path: Path) -> None:
    wrapped = {f"module._orig_mod.{name}": array for name, array in ARRAYS.items()}
    torch.save({"state_dict": wrapped, "best": np.float64(0.5)}, tmp_path / "w.pth.tar")
    assert same(read_published(str(tmp_path / "w.pth.tar")))


def test_a_file_behind_http_is_read(web: str, tmp_path: Path) -> None:
    torch.save(ARRAYS, tmp_path / "model")
    assert same(read_published(f"{web}/model?raw=true"))


@pytest.mark.parametrize("given", ["model.ckpt", "model.ckpt.index"])
def test_a_tensorflow_checkpoint_is_read_by_its_prefix(web: str, tmp_path: Path, given: str) -> None:
    for suffix in ("index", "data-00000-of-00001"):
        shutil.copy(TENSORFLOW / f"checkpoint_v2.ckpt.{suffix}", tmp_path / f"model.ckpt.{suffix}")
    for root in (str(tmp_path), web):
        arrays = read_published(f"{root}/{given}")
        assert arrays["RGB/Conv3d/conv_3d/w"].shape == (2, 3, 3, 1, 4)
        assert all(array.dtype == torch.float32 for array in arrays.values())


def test_a_tensorflow_checkpoint_in_one_file_is_read() -> None:
    assert read_published(str(TENSORFLOW / "checkpoint_v1.ckpt"))["vggish/fc2/weights"].shape == (8, 5)


class Runs:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch came-to-life",)


def test_code_in_a_file_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": ARRAYS, "more": Runs()}, "x.pth.tar")
    with pytest.raises(WeightsError, match=r"x\.pth\.tar' cannot be used: it is not a plain PyTorch state dict"):
        read_published("x.pth.tar")
    assert not Path("came-to-life").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no weights", "its format is unknown; supported are PyTorch, safetensors, HDF5"),
        (b"", "the file is empty"),
        (b"<!doctype html><p>not found</p>", r"the file is a page of text \(HTML\), not weights"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "the file is a pointer of Git LFS"),
        (b"PK\x03\x04 and no archive", r"the file is truncated or damaged \(19 bytes; its end is missing\)"),
        (b"\x80\x02", r"the file is truncated or damaged \(2 bytes; "),
        (b"\x89HDF\r\n\x1a\n and no more", "not a usable HDF5 weights file"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{ and no header", "eader"),
    ],
)
def test_files_that_are_no_weights_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"weights '.*model\.pt' cannot be used: .*{message}"):
        read_published(str(tmp_path / "model.pt"))


def test_a_folder_without_a_checkpoint_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="it is a folder without a checkpoint: give a file, or finish the training"):
        read_published(str(tmp_path))


def test_a_missing_file_and_a_missing_shard_are_named(web: str, tmp_path: Path) -> None:
    for root in (str(tmp_path), web):
        with pytest.raises(WeightsError, match=r"nothing\.pt' cannot be used: .*"):
            read_published(f"{root}/nothing.pt")
    shutil.copy(TENSORFLOW / "checkpoint_v2.ckpt.index", tmp_path)
    with pytest.raises(WeightsError, match=r"checkpoint_v2\.ckpt\.data-00000-of-00001"):
        read_published(str(tmp_path / "checkpoint_v2.ckpt"))
    with pytest.raises(WeightsError, match="only these schemes are read"):
        read_published("ftp://host/x.pt")
