from __future__ import annotations

import re

import pytest
import torch

from classifiers.clip_models.base import ClipModel
from classifiers.clip_models.registry import build_clip_model
from classifiers.weights.published_clips import PublishedWeightsError, fill, published_options

SMALL = {"width_factor": 1 / 16, "frames": 16, "height": 32, "width": 32}


def small(seed: int, classes: int = 3) -> ClipModel:
    torch.manual_seed(seed)
    return build_clip_model("c3d", num_classes=classes, options=SMALL)


def published(model: ClipModel) -> dict[str, torch.Tensor]:
    """The model's weights by the names of the public PyTorch file."""
    renamed = {re.sub(r"^trunk\.\w+\.", "", key): value.clone() for key, value in model.state_dict().items()}
    return {re.sub("^head", "fc8", key): value for key, value in renamed.items()}


def same(one: ClipModel, other: ClipModel) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_public_and_own_names_are_accepted() -> None:
    source, model = small(0), small(1)
    assert fill(model, published(source)).layout == "c3d.pickle"
    assert same(model, source)
    model = small(1)
    assert fill(model, source.state_dict()).layout == "Framemill"
    assert same(model, source)


def test_half_precision_is_accepted() -> None:
    source, model = small(0).half(), small(1)
    fill(model, published(source))
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())
    assert same(model, source.float())


@pytest.mark.parametrize("with_counters", [True, False])
def test_batch_counters_are_optional(with_counters: bool) -> None:
    options = {"width_factor": 1 / 16}
    source, model = (build_clip_model("s3d", num_classes=2, options=options) for _ in range(2))
    arrays = {key: value for key, value in source.state_dict().items() if with_counters or "num_batches" not in key}
    fill(model, arrays)
    assert same(model, source)


def test_all_mismatches_are_reported_together_and_nothing_is_changed() -> None:
    model, before, arrays = small(1), small(1), published(small(0))
    arrays["fc9.weight"] = arrays.pop("fc7.weight")
    arrays["conv2.weight"] = arrays["conv2.weight"][:, :, :2]
    arrays["conv1.bias"] = torch.tensor([float("nan")] * 4)
    arrays["conv3a.bias"] = torch.zeros(16, dtype=torch.int64)
    with pytest.raises(PublishedWeightsError) as raised:
        fill(model, arrays)
    message = str(raised.value)
    assert message.startswith("weights in the layout of c3d.pickle do not fit C3d: ")
    assert "trunk.fc7.fc7.weight (256, 256) is missing" in message
    assert "fc9.weight is unknown" in message
    assert "conv2.weight has shape (8, 4, 2, 3, 3), trunk.conv2.conv2.weight has (8, 4, 3, 3, 3)" in message
    assert "conv1.bias has values that are not finite" in message
    assert "conv3a.bias has type int64, not floating point" in message
    assert same(model, before)


def test_a_kernel_along_another_dimension_is_refused() -> None:
    model = build_clip_model("s3d", num_classes=2, options={"width_factor": 1 / 16})
    key = "trunk.Conv3d_1a_7x7.body.time.conv3d.weight"
    arrays = model.state_dict()
    arrays[key] = arrays[key].transpose(2, 3)
    with pytest.raises(PublishedWeightsError, match=r"has shape \(4, 4, 1, 7, 1\), trunk.* has \(4, 4, 7, 1, 1\)"):
        fill(model, arrays)


def test_long_lists_of_mismatches_are_shortened() -> None:
    arrays = {key: value for key, value in published(small(0)).items() if key == "conv1.bias"}
    with pytest.raises(PublishedWeightsError, match=r"; and 9 more$"):
        fill(small(1), arrays)


def test_a_head_of_other_classes_needs_to_be_left_out() -> None:
    arrays, model = published(small(0, classes=5)), small(1)
    with pytest.raises(PublishedWeightsError, match=r"fc8\.weight has 5 classes, the model 3: use a fresh head"):
        fill(model, arrays)
    head = model.head.weight.clone()
    fill(model, arrays, fresh_head=True)
    assert torch.equal(model.head.weight, head)
    assert torch.equal(model.state_dict()["trunk.fc7.fc7.weight"], arrays["fc7.weight"])
    del arrays["fc8.weight"], arrays["fc8.bias"]
    fill(model, arrays, fresh_head=True)


def test_two_arrays_for_one_tensor_are_refused() -> None:
    source = small(0)
    arrays = published(source) | {"trunk.fc7.fc7.bias": torch.zeros(256)}
    with pytest.raises(PublishedWeightsError, match=r"fc7\.bias and trunk\.fc7\.fc7\.bias are both trunk\.fc7\.fc7"):
        fill(small(1), arrays)


def test_weights_of_another_network_are_refused_with_its_name() -> None:
    with pytest.raises(
        PublishedWeightsError, match=r"layouts of Framemill, c3d\.pickle, .*; none of these 1 arrays matches any: stem"
    ):
        fill(small(0), {"stem.w": torch.zeros(1)})


def test_a_layout_determines_options() -> None:
    keys = published(small(0)).keys()
    assert published_options("c3d", keys) == {"pool5": "both", "pixels": "bytes"}
    assert published_options("c3d", ["model_weights/conv1/conv1/kernel"])["pool5"] == "end"
    assert published_options("i3d", ["mixed_3b.branch_0.batch3d.bias"])["bn_epsilon"] == 1e-5
    assert published_options("s3d", ["base.2.conv.weight"]) == {"pixels": "unit"}


def keras_arrays(model: ClipModel, name: str) -> dict[str, torch.Tensor]:
    """The model's weights as TensorFlow holds them, C3D's `fc6` by height, width and channel."""
    arrays = {}
    for key, array in published(model).items():
        layer, kind = key.split(".")
        if layer == "fc6" and kind == "weight":
            array = array.unflatten(1, (-1, *getattr(model, "grid"))).permute(2, 3, 4, 1, 0).flatten(0, 3)  # noqa: B009
        elif array.ndim > 1:
            array = array.permute(*range(2, array.ndim), 1, 0)
        arrays[
            name.format(layer=layer, kind={"weight": "kernel", "bias": "bias"}[kind], letter="Wb"[kind == "bias"])
        ] = array.contiguous()
    return arrays


@pytest.mark.parametrize(
    "name",
    [
        "{layer}/{layer}/{kind}:0",
        "{layer}/{layer}_2/{kind}:0",
        "model_weights/{layer}/{layer}/{kind}",
        "{layer}/{layer}_{letter}:0",
    ],
)
def test_keras_names_of_all_versions_are_accepted(name: str) -> None:
    source, model = small(0), small(1)
    assert fill(model, keras_arrays(source, name)).layout == "Sports-1M of Keras with TensorFlow"
    assert same(model, source)


def test_kernels_of_theano_are_refused() -> None:
    """Its order of dimensions is torch's, but its convolution turns the kernel round."""
    source = small(0)
    arrays = keras_arrays(source, "{layer}/{layer}_{letter}:0")
    arrays |= {f"{layer}/{layer}_W:0": value for layer, value in [("conv2", published(source)["conv2.weight"])]}
    with pytest.raises(PublishedWeightsError, match=r"conv2/conv2_W:0 has shape \(8, 4, 3, 3, 3\)"):
        fill(small(1), arrays)
