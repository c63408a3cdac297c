from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from extractors.networks.inception import inception_keras
from extractors.weights.content import WeightsError
from extractors.weights.formats import read_state
from extractors.weights.keras_inception import inception_state
from extractors.weights.packed import pack_weights
from extractors.weights.pretrained import build_inception
from extractors.weights.resolve import resolve_weights
from tests.support import parity
from tests.support.keras_inception import FRAMES, named_arrays, standin_state

KERAS = Path(__file__).parents[2] / "fixtures" / "keras"
SORTED = json.loads((KERAS / "inception_layers.json").read_text())  # by Keras itself
WHOLE = named_arrays("model_weights/{0}/{0}/kernel:0", "model_weights/{0}/{0}/{1}:0", first=1)
LAYOUTS = {
    "Keras 2, save_weights": named_arrays("{0}/{0}/kernel:0", "{0}/{0}/{1}:0", first=95),
    "save, among the layers of a larger network": {
        **named_arrays("model_weights/inception_v3/{}/kernel", "model_weights/inception_v3/{}/{}"),
        "model_weights/dense/dense/kernel": torch.ones(2048, 5),
        "optimizer_weights/Adam/m/conv2d_5/kernel:0": torch.ones(1),
    },
    "Keras 3, save_weights": named_arrays("layers/{}/vars/0", "layers/{}/vars/{}", SORTED),
    "TensorFlow.js": named_arrays("{}/kernel", "{}/{}", first=1),
}


def assert_standin(state: dict[str, torch.Tensor]) -> None:
    expected = {key: value for key, value in standin_state().items() if "num_batches" not in key}
    assert set(state) == set(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layer_is_found_in_every_layout(layout: str) -> None:
    assert_standin(inception_state(LAYOUTS[layout]))


def test_features_are_those_of_keras() -> None:
    state = inception_state(WHOLE)
    with torch.device("meta"):
        network = inception_keras()
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_785_568
    network.load_state_dict(state, strict=False, assign=True)
    images = torch.from_numpy(FRAMES).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        features = network.eval().forward_features(images)
        assert network.forward_head(features).shape == (2, 0)
    assert parity.rel_rms(features, np.load(KERAS / "inception.npz")["features"]) < 1e-5


def test_a_file_is_read_and_packed_as_a_variant_of_its_own(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, array in WHOLE.items():
            file[name] = array.numpy()
    given = resolve_weights(str(tmp_path / "w.h5"), "frames")
    assert given is not None
    packed = pack_weights(given, tmp_path)
    for weights in (given, packed):
        network, variant = build_inception(weights)
        assert variant == "inception-keras"
        assert_standin({key: value for key, value in network.state_dict().items() if "num_batches" not in key})


def test_a_head_is_left_out_whatever_its_layers(tmp_path: Path) -> None:
    head = {
        "model_weights/dense/dense/kernel": np.ones((2048, 16), np.float32),
        "model_weights/conv2d_95/conv2d_95/kernel": np.ones((1, 1, 2048, 8), np.float32),
        "model_weights/conv2d_95/conv2d_95/bias": np.ones(8, np.float32),
        "model_weights/batch_normalization_95/batch_normalization_95/gamma": np.ones(8, np.float32),
        "model_weights/batch_normalization_95/batch_normalization_95/beta": np.ones(8, np.float32),
    }
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, array in {**{name: array.numpy() for name, array in WHOLE.items()}, **head}.items():
            file[name] = array
        file.create_dataset("model_weights/dense_1/dense_1/kernel", (1 << 20, 1 << 12), "f4")  # charged, it is refused
    assert_standin(read_state(tmp_path / "w.h5"))


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(WeightsError, match=r"w\.h5 is not a usable HDF5 weights file"):
        read_state(tmp_path / "w.h5")


def test_a_first_layer_for_pixels_in_0_to_1_is_rewritten() -> None:
    arrays = dict(WHOLE)
    name = "model_weights/batch_normalization_1/batch_normalization_1/moving_mean:0"
    kernel = standin_state()["Conv2d_1a_3x3.conv.weight"]
    arrays[name] = 0.45 * kernel.sum((1, 2, 3))
    state = inception_state(arrays)
    pixels = torch.rand(1, 3, 7, 7)
    conv = torch.nn.functional.conv2d
    expected = conv(pixels, kernel) - arrays[name][:, None, None]
    found = conv(pixels * 2 - 1, state["Conv2d_1a_3x3.conv.weight"])
    found -= state["Conv2d_1a_3x3.bn.running_mean"][:, None, None]
    torch.testing.assert_close(found, expected)
    for pixel in (0.25, 110.0):
        arrays[name] = pixel * kernel.sum((1, 2, 3))
        with pytest.raises(WeightsError, match=f"of mean {pixel:.2f}: neither in"):
            inception_state(arrays)


def test_other_networks_are_refused_with_the_difference() -> None:
    def without(part: str) -> dict[str, torch.Tensor]:
        return {name: array for name, array in WHOLE.items() if part not in name}

    with pytest.raises(WeightsError, match="93 layers named conv2d, Keras's Inception v3 has 94"):
        inception_state(without("conv2d_7/"))
    with pytest.raises(WeightsError, match="batch_normalization 7 has the arrays beta, moving_mean; expected are"):
        inception_state(without("normalization_7/moving_variance"))
    norm = "batch_normalization_7/batch_normalization_7"
    with pytest.raises(
        WeightsError, match="batch_normalization 7 has the arrays 0, beta, moving_mean, moving_variance"
    ):
        inception_state({**WHOLE, f"model_weights/{norm}/vars/0": torch.ones(1)})
    with pytest.raises(WeightsError, match="more than one array conv2d_1/kernel"):
        inception_state({**WHOLE, "other/conv2d_1/kernel:0": torch.ones(1)})
    for shape, message in (((3, 3), "must have four dimensions"), ((3, 3, 3, 5), "has 5 kernels and a batch norm")):
        with pytest.raises(WeightsError, match=message):
            inception_state({**WHOLE, "model_weights/conv2d_1/conv2d_1/kernel:0": torch.ones(shape)})
