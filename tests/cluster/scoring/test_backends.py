from __future__ import annotations

from pathlib import Path

import pytest
import torch

from classifiers.export.exported_classifier import ExportedClipClassifier
from classifiers.inference.clip_classifier import TrainedClipClassifier
from cluster.scoring import backends
from cluster.scoring.backends import BACKENDS
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.onnx_network import OnnxClipNetwork, OnnxStreamNetwork
from cluster.scoring.stream_network import StreamNetwork
from extractors.networks.precision import resolve_precision
from schemas.errors import InputError
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips
from tests.support.exports import exported, plain_stream


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stream network, with its exported file in it."""
    folder = tmp_path_factory.mktemp("stream")
    write_trained(folder, plain_stream())
    (folder / "model.onnx").write_bytes(exported(plain_stream(), "int8")[1])
    return folder


def test_each_backend_reads_its_own_and_makes_networks_of_it(stream: Path) -> None:
    onnx, plain = BACKENDS["onnx"], BACKENDS["torch"]
    trained_stream = plain.classifier({"c": plain.read(str(stream))})
    file, folder = (onnx.read(str(place)) for place in (stream / "model.onnx", stream))
    assert file.sha256 == folder.sha256  # type: ignore[attr-defined]  # of exported files
    exported_stream = onnx.classifier({"c": file})
    assert isinstance(trained_stream, TrainedClipClassifier)
    assert isinstance(exported_stream, ExportedClipClassifier)
    assert (trained_stream.backend, exported_stream.backend) == ("torch", "onnx")
    kinds = [
        (plain, trained_stream, StreamNetwork, ClipNetwork),
        (onnx, exported_stream, OnnxStreamNetwork, OnnxClipNetwork),
    ]
    for backend, classifier, of_stream, of_clips in kinds:
        assert isinstance(backend.stream_network(classifier, "fp32"), of_stream)
        assert isinstance(backend.clip_network(classifier, "fp32"), of_clips)
    assert (plain.runs_on_gpus, onnx.runs_on_gpus) == (True, False)


def test_precisions_are_those_of_the_machine_or_of_the_file(stream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx, plain = BACKENDS["onnx"], BACKENDS["torch"]
    exported_stream = onnx.classifier({"c": onnx.read(str(stream))})
    for on_gpu in (False, True):
        assert onnx.precision(exported_stream, "auto", on_gpu=on_gpu) == "int8"
    assert onnx.live_precision(exported_stream, "auto") == "int8"
    trained_stream = plain.classifier({"c": plain.read(str(stream))})
    assert plain.precision(trained_stream, "auto", on_gpu=True) == "bf16"
    assert plain.precision(trained_stream, "auto", on_gpu=False) == resolve_precision("auto", torch.device("cpu"))
    with pytest.raises(ValueError, match="needs CUDA"):
        plain.precision(trained_stream, "fp16", on_gpu=False)
    monkeypatch.setattr(backends, "resolve_device", lambda name: torch.device("cpu"))
    assert plain.live_precision(trained_stream, "auto") == "fp32"
    clips = plain.classifier({"c": trained_clips()})
    assert plain.live_precision(clips, "auto") == resolve_precision("auto", torch.device("cpu"))


def test_what_is_no_exported_file_says_what_to_do(tmp_path: Path) -> None:
    onnx = BACKENDS["onnx"]
    clips = write_trained(tmp_path / "clips", trained_clips())
    with pytest.raises(InputError, match=r"write it with framemill export --checkpoint .*clips --output .*model"):
        onnx.read(clips)
    with pytest.raises(InputError, match="model 'dense-5' takes features, which torch alone runs: leave --backend"):
        onnx.read(write_trained(tmp_path / "features", trained()))
    with pytest.raises(InputError, match=r"runs model\.onnx in it, and there is none$"):
        onnx.read(str(tmp_path / "nothing"))
    with pytest.raises(InputError, match=r"x\.onnx: there is no such file; framemill export writes it"):
        onnx.read(str(tmp_path / "x.onnx"))
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"x\.onnx: it is damaged or no ONNX file"):
        onnx.read(str(tmp_path / "x.onnx"))


def test_large_files_are_not_read_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "MAX_FILE_BYTES", 1000)
    (tmp_path / "x.onnx").write_bytes(bytes(1001))
    with pytest.raises(InputError, match="more than 1,000 bytes, which is the limit"):
        BACKENDS["onnx"].read(str(tmp_path / "x.onnx"))


def test_the_memory_of_an_exported_stream_is_built_into_its_file(stream: Path) -> None:
    onnx, plain = BACKENDS["onnx"], BACKENDS["torch"]
    exported_stream = onnx.classifier({"c": onnx.read(str(stream))})
    trained_stream = plain.classifier({"c": plain.read(str(stream))})
    assert onnx.memory_frames(exported_stream, None) is None
    fps = trained_stream.clips.format.fps
    assert fps is not None
    assert plain.memory_frames(trained_stream, 10.0) == round(10 * float(fps))
    with pytest.raises(ValueError, match=r"--memory-seconds is 10, but the memory of .*-onnx-int8 is built into its"):
        onnx.memory_frames(exported_stream, 10.0)
