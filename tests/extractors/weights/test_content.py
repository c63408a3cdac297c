import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from extractors.weights.content import damage_of, foreign_content

KERAS = Path(__file__).parents[2] / "fixtures" / "keras"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 95628359\n"


def of(folder, content):
    (folder / "w").write_bytes(content)
    return foreign_content(folder / "w")


@pytest.mark.parametrize(
    ("content", "problem", "remedy"),
    [
        (b"", "is empty", "download or copy it again"),
        (LFS, "is a pointer of Git LFS, not the file itself, which has 95,628,359 bytes", "git lfs pull"),
        (
            b"\n<!DOCTYPE html>\n<html><title>GitHub</title>",
            "(HTML), not weights",
            "the address of the download itself",
        ),
        (b"\xef\xbb\xbf<HTML>", "(HTML), not weights", "download itself"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "(XML), not weights", "error message"),
        (b"PK\x03\x04" + bytes(70), "is truncated or damaged (74 bytes; its end is missing)", "copy it again"),
    ],
)
def test_what_is_not_weights_is_named_with_a_remedy(tmp_path, content, problem, remedy):
    found = of(tmp_path, content)
    assert problem in found
    assert remedy in found


def test_a_whole_model_of_keras_is_named():
    found = foreign_content(KERAS / "audio_first.keras")
    assert "is a whole model of Keras (.keras), not its weights" in found
    assert "save_weights" in found


def test_torchscript_is_named(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "w"))
    assert "is a TorchScript archive, which holds code" in foreign_content(tmp_path / "w")


def test_weights_are_not_foreign(tmp_path):
    state = {"a": torch.ones(3)}
    torch.save(state, tmp_path / "new.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file({"<": torch.ones(0x3C)}, tmp_path / "w.safetensors")
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("pca_means.npy", b"x")
    (tmp_path / "w.pb").write_bytes(b"<\0\0 binary")
    for path in (*tmp_path.iterdir(), *KERAS.glob("*.h5")):
        assert foreign_content(path) == "", path


def test_folders_and_missing_files_are_for_others_to_report(tmp_path):
    assert foreign_content(tmp_path) == foreign_content(tmp_path / "nothing") == ""


def test_damage_has_the_size_and_the_start_of_the_reason(tmp_path):
    (tmp_path / "w").write_bytes(bytes(1234))
    text = damage_of(tmp_path / "w", RuntimeError("unexpected EOF\n" + "frame\n" * 60))
    assert text == "is truncated or damaged (1,234 bytes; unexpected EOF): download or copy it again"
    assert "; EOFError)" in damage_of(tmp_path / "w", EOFError())
