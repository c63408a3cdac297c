"""The simplified LipNet against Keras: with stand-in weights at full size, and with files that Keras wrote, small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model
from classifiers.weights.published_clips import PublishedWeightsError, fill, layout_of
from cluster.training.published_weights import read_published
from schemas.lips import WRAPPED
from tests.fixtures.parity.clips import weights

FIXTURES = Path(__file__).parents[2] / "fixtures"
PARITY = FIXTURES / "parity" / "lips"
SEED, INPUT_CRC, WEIGHTS_CRC = 600, 298146822, 3260483008
SMALL = {"width_factor": 1 / 16, "height": 24, "width": 32}
FILES = ("keras/lipnet.h5", "keras/lipnet.weights.h5", "tensorflow/lipnet.ckpt")


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.float32]]:
    with np.load(PARITY / "lipnet_keras.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def stand_ins() -> dict[str, Tensor]:
    """Weights at full size by their names in Keras."""
    arrays = weights.state(PARITY / "lipnet_keras.spec.json", keras=True)
    assert weights.crc(arrays) == WEIGHTS_CRC
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


@pytest.fixture(scope="module")
def model(stand_ins: dict[str, Tensor]) -> LipModel:
    model = build_lip_model("lipnet-keras", num_classes=41).eval()
    assert fill(model, stand_ins).layout == "Keras's LipNet"
    return model


def lips() -> Tensor:
    """The clip that the reference saw, (1, 75, 46, 140, 1)."""
    array = weights.lip_input(SEED)
    assert weights.crc([array]) == INPUT_CRC
    return torch.from_numpy(array)[None]


def test_first_features_at_full_size_are_those_of_keras(
    model: LipModel, golden: dict[str, NDArray[np.float32]]
) -> None:
    """A frame's features depend on three frames before and after it."""
    steps = golden["features_t"][:2]
    with torch.inference_mode():
        rows = model.forward_convolutions(lips()[:, :9], torch.tensor([9]))[0]
    expected = golden["features_t_subset"][:2]
    np.testing.assert_allclose(rows[steps][:, golden["features_idx"]], expected, atol=1e-4 * expected.std(), rtol=0)


@pytest.mark.heavy
def test_a_whole_clip_at_full_size_gives_the_probabilities_of_keras(
    model: LipModel, golden: dict[str, NDArray[np.float32]]
) -> None:
    with torch.inference_mode():
        rows = model.forward_convolutions(lips(), torch.tensor([75]))
        first, _ = model.recurrences[0](rows)
        probabilities = model(lips())[0].softmax(dim=1)
    np.testing.assert_allclose(first[0][golden["features_t"]], golden["bilstm1"], atol=1e-5, rtol=0)
    np.testing.assert_allclose(probabilities, golden["probs"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("file", FILES)
def test_files_of_keras_give_its_probabilities(file: str) -> None:
    arrays = read_published(str(FIXTURES / file))
    model = build_lip_model("lipnet-keras", num_classes=7, options=SMALL).eval()
    fill(model, arrays)
    with np.load(FIXTURES / "keras" / "lipnet.npz") as expected, torch.inference_mode():
        probabilities = model(torch.from_numpy(expected["clips"])).softmax(dim=2)
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-6, rtol=0)
        assert expected["probabilities"].std() > 0.01
    assert layout_of(model, arrays).options == {"normalisation": WRAPPED, "colours": "bgr"}


def keras_2(key: str, first: int) -> str:
    """A name of Keras 2, in a session that had numbered `first` layers of each kind; 1 in the first versions."""
    layer, *rest = key.split("/")
    kind, _, number = layer.partition("_")
    count = int(number or 0) + first
    name = f"{kind}_{count}" if count else kind
    cells = [f"{part}_{count}" if count and part.endswith("lstm") else part for part in rest]
    return "/".join([name, name, *cells]) + ":0"


@pytest.mark.parametrize("first", [0, 1, 9])
def test_names_of_keras_2_are_accepted_whatever_number_they_start_with(
    stand_ins: dict[str, Tensor], model: LipModel, first: int
) -> None:
    with torch.device("meta"):
        other = build_lip_model("lipnet-keras", num_classes=41)
    layout = layout_of(other, (keras_2(key, first) for key in stand_ins))
    keys = layout.keys_of(keras_2(key, first) for key in stand_ins)
    assert set(keys.values()) == set(model.state_dict())
    assert list(keys.values()) == list(layout.keys_of(stand_ins).values())
    slots = [
        "optimizer_weights/adam/conv3d_kernel_momentum",
        "optimizer/vars/3",
        "save_counter/.ATTRIBUTES/VARIABLE_VALUE",
        "layer_with_weights-0/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE",
    ]
    assert set(layout.keys_of(slots).values()) == {None}


def test_weights_of_another_size_are_refused_array_by_array(stand_ins: dict[str, Tensor]) -> None:
    spec = json.loads((PARITY / "lipnet_keras.spec.json").read_text())
    model = build_lip_model("lipnet-keras", num_classes=28, options={"height": 50, "width_factor": 1 / 16})
    with pytest.raises(PublishedWeightsError, match="layout of Keras's LipNet do not fit LipNetKeras") as raised:
        fill(model, {key: stand_ins[key] for key in spec})
    assert "conv3d/kernel has shape (3, 3, 3, 1, 128), convolutions.0.conv.weight has (8, 1, 3, 3, 3)" in str(
        raised.value
    )


def test_another_alphabet_takes_all_but_the_head() -> None:
    arrays = read_published(str(FIXTURES / FILES[0]))
    model = build_lip_model("lipnet-keras", num_classes=30, options=SMALL)
    with pytest.raises(PublishedWeightsError, match="has 7 classes, the model 30: use a fresh head or as many classes"):
        fill(model, arrays)
    head = model.head.weight.clone()
    fill(model, arrays, fresh_head=True)
    assert torch.equal(model.head.weight, head)
