"""LipNet against a replay with torch's own functions, and the names of its public files."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F

from classifiers.lip_models.lipnet import LipNet
from classifiers.lip_models.registry import build_lip_model
from classifiers.weights.published_clips import fill, layout_of

OPTIONS = {"width_factor": 0.125, "height": 26, "width": 44}


def small(seed: int) -> LipNet:
    torch.manual_seed(seed)
    model = build_lip_model("lipnet", num_classes=28, options=OPTIONS).eval()
    assert isinstance(model, LipNet)
    return model


def published(model: LipNet) -> dict[str, torch.Tensor]:
    """The model's weights by the names of the port."""
    names = {
        r"^convolutions\.(\d)\.conv": lambda match: f"conv{int(match[1]) + 1}",
        r"^recurrences\.(\d)": lambda match: f"gru{int(match[1]) + 1}",
        "^head": lambda match: "FC",
    }
    arrays = dict(model.state_dict())
    for pattern, name in names.items():
        arrays = {re.sub(pattern, name, key): value for key, value in arrays.items()}
    return arrays


def test_it_is_the_published_chain_of_layers() -> None:
    model = small(0)
    arrays, clips = published(model), torch.randn(2, 4, 26, 44, 3)
    values = clips.permute(0, 4, 1, 2, 3)
    for name, stride, padding in (("conv1", (1, 2, 2), (1, 2, 2)), ("conv2", 1, (1, 2, 2)), ("conv3", 1, 1)):
        values = F.conv3d(values, arrays[f"{name}.weight"], arrays[f"{name}.bias"], stride=stride, padding=padding)
        values = F.max_pool3d(F.relu(values), (1, 2, 2))
    rows = values.transpose(1, 2).flatten(2)  # (N, T, C H W)
    assert rows.shape[2] == 12 * 1 * 2
    for name in ("gru1", "gru2"):
        gru = torch.nn.GRU(rows.shape[2], 32, batch_first=True, bidirectional=True)
        gru.load_state_dict({key.split(".")[1]: value for key, value in arrays.items() if key.startswith(name)})
        rows, _ = gru(rows)
    torch.testing.assert_close(model(clips), F.linear(rows, arrays["FC.weight"], arrays["FC.bias"]))


def test_whole_channels_are_dropped_in_training() -> None:
    stage = small(0).convolutions[0].train()
    values = stage(torch.rand(8, 3, 4, 26, 44) + 1)
    dropped = (values == 0).flatten(2).all(dim=2)
    assert 0.25 < dropped.float().mean() < 0.75


def test_weights_of_the_port_are_taken_with_its_input() -> None:
    source, model = small(0), small(1)
    assert fill(model, published(source)).layout == "VIPL's LipNet-PyTorch"
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())
    options = layout_of(model, published(source)).options
    with torch.device("meta"):
        full = build_lip_model("lipnet", num_classes=28, options=options)
    assert full.state_dict()["recurrences.0.weight_ih_l0"].shape == (768, 96 * 4 * 8)
