import gzip
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from extractors.networks.vggish import VGGish, VGGishConfig
from extractors.weights.content import WeightsError
from extractors.weights.formats import (
    INCEPTION_GRAPH_LAYERS,
    VGGISH_CHECKPOINT_LAYERS,
    read_state,
    vggish_state_from_checkpoint,
)
from extractors.weights.pretrained import load_strictly
from tests.support import parity
from tests.support.protobuf import constant_node

KERAS = Path(__file__).parents[2] / "fixtures" / "keras"


@pytest.fixture(scope="module")
def graph():
    """The stand-in weights as the frozen graph stores them: H, W, in, out; norms by their TensorFlow names."""
    state = parity.state_dict("inception_2015_fid")
    norms = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    nodes = [
        constant_node("softmax/weights", state["fc.weight"].numpy().T),
        constant_node("softmax/biases", state["fc.bias"].numpy()),
    ]
    for theirs, ours in INCEPTION_GRAPH_LAYERS.items():
        kernel = state[f"{ours}.conv.weight"].numpy().transpose(2, 3, 1, 0)
        nodes.append(constant_node(f"{theirs}/conv2d_params", kernel))
        nodes += [constant_node(f"{theirs}/batchnorm/{a}", state[f"{ours}.bn.{b}"].numpy()) for a, b in norms.items()]
    return b"".join(nodes)


def test_every_layer_of_the_frozen_graph_is_loaded(tmp_path, graph):
    with tarfile.open(tmp_path / "inception-2015-12-05.tgz", "w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("classify_image_graph_def.pb")
        info.size = len(graph)
        archive.addfile(info, io.BytesIO(graph))
    expected = {k: v for k, v in parity.state_dict("inception_2015_fid").items() if "num_batches" not in k}
    state = read_state(tmp_path / "inception-2015-12-05.tgz")
    assert set(state) == set(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_a_missing_layer_of_a_graph_is_named(tmp_path, graph):
    (tmp_path / "cut.pb").write_bytes(constant_node("conv/other", np.zeros(3)))
    with pytest.raises(WeightsError, match="conv/conv2d_params"):
        read_state(tmp_path / "cut.pb")


def test_every_layer_of_vggishs_checkpoint_is_loaded():
    network = VGGish(VGGishConfig(channels=(2, 0, 3, 0, 4, 4, 0, 5, 5, 0), hidden=7))
    variables = {}
    for theirs, ours in VGGISH_CHECKPOINT_LAYERS.items():
        weight = network.state_dict()[f"{ours}.weight"].numpy()
        variables[f"{theirs}/weights"] = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        variables[f"{theirs}/biases"] = network.state_dict()[f"{ours}.bias"].numpy()
    copy = VGGish(network.config)
    load_strictly(copy, vggish_state_from_checkpoint(variables), "checkpoint")
    assert all(torch.equal(value, copy.state_dict()[key]) for key, value in network.state_dict().items())


def test_state_dicts_are_read(tmp_path):
    state = {"a": torch.arange(3.0), "b": torch.tensor(4)}
    torch.save(state, tmp_path / "w.pth")
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pth", "old.pt", "w.safetensors"):
        found = read_state(tmp_path / name)
        assert set(found) == set(state)
        assert torch.equal(found["a"], state["a"])


@pytest.mark.parametrize("name", ["w.pth", "w"])
def test_pages_and_whole_models_are_named_whatever_their_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match=rf"{name} is a page of text \(HTML\), not weights"):
        read_state(tmp_path / name)
    (tmp_path / name).write_bytes((KERAS / "audio_first.keras").read_bytes())
    with pytest.raises(WeightsError, match=rf"{name} is a whole model of Keras"):
        read_state(tmp_path / name)


def test_a_truncated_archive_has_its_size(tmp_path):
    content = gzip.compress(np.random.default_rng(0).bytes(9000))
    (tmp_path / "w.tgz").write_bytes(content[:5000])
    with pytest.raises(WeightsError, match=r"w\.tgz is not a usable .* \(5,000 bytes; a truncated file has to be"):
        read_state(tmp_path / "w.tgz")


class Payload:
    def __reduce__(self):
        return (open, ("pwned", "w"))


@pytest.mark.parametrize("name", ["w.pth", "raw.pth"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if name == "w.pth":
        torch.save({"a": Payload()}, name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps({"a": Payload()}, protocol=2))
    with pytest.raises(WeightsError, match=name):
        read_state(tmp_path / name)
    assert not (tmp_path / "pwned").exists()


def test_pickled_modules_are_refused_with_a_remedy(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"model\.state_dict"):
        read_state(tmp_path / "model.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.tgz", "w.pb", "w.ckpt"])
@pytest.mark.parametrize("content", [b"", b"\x0a\xffnot what it says" * 50])
def test_damaged_files_are_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_state(tmp_path / name)


def test_unknown_suffixes_list_the_known_ones(tmp_path):
    with pytest.raises(WeightsError, match=r"\.onnx.*\.pth.*\.ckpt"):
        read_state(tmp_path / "w.onnx")
