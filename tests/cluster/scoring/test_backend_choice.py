from __future__ import annotations

import pytest

from cluster.scoring.backend_choice import backend_conflicts, chosen_backend, exported_file


@pytest.mark.parametrize(
    ("checkpoints", "given", "chosen"),
    [
        (["stream/"], None, "torch"),
        (["s3://b/stream.onnx"], None, "onnx"),
        (["stream.ONNX", "other.onnx"], "onnx", "onnx"),
        (["stream/", "other.onnx"], "onnx", "onnx"),
        (["stream/"], "torch", "torch"),
    ],
)
def test_a_backend_follows_from_the_places_or_is_given(checkpoints: list[str], given: str | None, chosen: str) -> None:
    assert chosen_backend(checkpoints, given) == chosen
    assert list(backend_conflicts(checkpoints, given, "auto")) == []


def test_a_folder_stands_for_the_file_in_it() -> None:
    assert exported_file("a/stream.onnx") == "a/stream.onnx"
    assert exported_file("s3://b/stream/") == "s3://b/stream/model.onnx"


@pytest.mark.parametrize(
    ("checkpoints", "given", "precision", "problem"),
    [
        (["a.onnx"], "torch", "auto", "takes the folder of a checkpoint; exported files, for onnx, are a.onnx"),
        (["a.onnx", "b"], None, "auto", "of one backend: of onnx are a.onnx; of torch b"),
        (["a.onnx"], None, "bf16", "an exported file has its own: not bf16"),
        (["a"], "onnx", "fp32", "an exported file has its own: not fp32"),
    ],
)
def test_what_does_not_go_together(checkpoints: list[str], given: str | None, precision: str, problem: str) -> None:
    (found,) = backend_conflicts(checkpoints, given, precision)
    assert problem in found
