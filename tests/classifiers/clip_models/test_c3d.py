from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from classifiers.clip_models.c3d import C3d
from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.published_clips import fill, published_options
from extractors.weights.hdf5_file import read_arrays
from tests.support import clip_parity
from tests.support.clip_parity import TOLERANCE, error, golden

KERAS = Path(__file__).parents[2] / "fixtures" / "keras"  # written by Keras: make_c3d.py beside the files


def build(classes: int, **options: object) -> C3d:
    model = build_clip_model("c3d", num_classes=classes, options=options).eval()
    assert isinstance(model, C3d)
    return model


@torch.inference_mode()
def test_weights_of_the_pytorch_port_give_its_logits() -> None:
    """And with Caffe's padding, and with `fc6` from a Keras file, the numbers that these would give."""
    expected, clip, state = golden("c3d"), clip_parity.clip("c3d"), clip_parity.arrays("c3d")
    model = build(487)
    assert fill(model, state).layout == "c3d.pickle"
    last = model.forward_stages(model.prepare(clip), 0, 4)
    pooled = model.forward_stages(last, 4, 5)
    assert error(pooled.sum(dim=(2, 3, 4)), expected["pool5_sum_per_channel"]) < TOLERANCE
    fc6 = model.forward_stages(pooled, 5, 6)
    assert error(fc6, expected["fc6"]) < TOLERANCE
    features = model.forward_stages(fc6, 6)
    assert error(features, expected["fc7"]) < TOLERANCE
    assert error(model.forward_head(features), expected["logits"]) < TOLERANCE

    model.trunk["conv5"] = _fifth_stage(model, pool5="end")
    padded = model.forward_head(model.forward_stages(last, 4))
    assert error(padded, expected["logits_pool5_endpad"]) < TOLERANCE

    # The same array in a Keras file stands for inputs in another order: rows by height, width and channel.
    fill(model, {_keras_key(key): _keras_array(array) for key, array in state.items()})
    flat = model.forward_head(model.forward_stages(pooled, 5))
    assert error(flat, expected["logits_fc6_channels_last_flatten"]) < TOLERANCE


@torch.inference_mode()
def test_weights_of_the_keras_file_give_its_logits() -> None:
    """Kernels and `fc6` are in Keras's order of T, H and W, which all differ here."""
    arrays = read_arrays(KERAS / "c3d.h5")
    options = published_options("c3d", arrays)
    model = build(3, **options, frames=32, height=48, width=32, width_factor=1 / 64)
    assert fill(model, arrays).layout == "Sports-1M of Keras with TensorFlow"
    with np.load(KERAS / "c3d.npz") as expected:
        probabilities = model(torch.from_numpy(expected["clips"])).softmax(1)
        np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)


def _fifth_stage(model: C3d, pool5: str) -> nn.Module:
    with torch.device("meta"):
        other = build(487, pool5=pool5)
    stage = other.trunk["conv5"]
    stage.load_state_dict(model.trunk["conv5"].state_dict(), assign=True)
    return stage


def _keras_key(key: str) -> str:
    layer, kind = key.split(".")
    return f"{layer}/{layer}/{'kernel' if kind == 'weight' else 'bias'}:0"


def _keras_array(array: torch.Tensor) -> torch.Tensor:
    return array.permute(2, 3, 4, 1, 0) if array.ndim == 5 else array.T if array.ndim == 2 else array


@pytest.mark.parametrize(("pool5", "grid"), [("both", (1, 2, 3)), ("end", (1, 1, 2))])
def test_sizes_before_the_dense_layers_follow_from_those_of_the_clip(pool5: str, grid: tuple[int, ...]) -> None:
    model = build(3, pool5=pool5, frames=17, height=32, width=64, width_factor=1 / 32)
    clips = torch.zeros(2, 17, 32, 64, 3, dtype=torch.uint8)
    assert model.grid == grid
    assert model.forward_stages(model.prepare(clips), 0, 5).shape == (2, 16, *grid)
    assert model(clips).shape == (2, 3)


def test_stages_are_the_published_layers() -> None:
    model = build(3, width_factor=1 / 32)
    assert list(model.stages()) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "head"]
    model.freeze(3)
    trained = {key for key, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {
        f"{layer}.{kind}" for layer in ("trunk.fc6.fc6", "trunk.fc7.fc7", "head") for kind in ("weight", "bias")
    }


def test_pixels_are_0_to_255_unless_the_option_differs() -> None:
    clips = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2, 1).expand(1, 16, 32, 2, 3)
    assert build(3, width_factor=1 / 32).prepare(clips).unique().tolist() == pytest.approx([0.0, 255.0])
    assert build(3, width_factor=1 / 32, pixels="signed").prepare(clips).unique().tolist() == [-1.0, 1.0]


def test_invalid_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"frames must be at least 16, got 8.*pool5 must be one of both, end"):
        build(3, frames=8, pool5="front")
