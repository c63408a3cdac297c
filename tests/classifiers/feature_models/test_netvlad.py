from __future__ import annotations

import torch
from torch import nn

from classifiers.feature_models.netvlad import Vlad
from classifiers.feature_models.registry import build_model


def test_residuals_equal_the_sums_by_hand() -> None:
    torch.manual_seed(0)
    vlad = Vlad(dim=4, clusters=3).double().eval()
    valid = torch.tensor([[True, True, False], [True, True, True]])
    rows = torch.randn(5, 4).double()
    found = vlad(rows, valid)
    for video, part in enumerate((rows[:2], rows[2:])):
        shares = (part @ vlad.assignment.weight.T / (1 + 1e-3) ** 0.5).softmax(1)
        residuals = []
        for cluster in range(3):
            moved = sum(shares[t, cluster] * (part[t] - vlad.centres[cluster]) for t in range(len(part)))
            assert isinstance(moved, torch.Tensor)
            residuals.append(moved / moved.norm())
        whole = torch.cat(residuals)
        torch.testing.assert_close(found[video], whole / whole.norm())


def test_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        gated = build_model("netvlad", num_classes=3862)
        plain = build_model("netvlad", num_classes=3862, options={"gating": False})
    assert gated.state_dict()["rgb.centres"].shape == (64, 1024)
    assert gated.state_dict()["audio.centres"].shape == (32, 128)
    assert gated.state_dict()["hidden.weight"].shape == (1024, 64 * 1024 + 32 * 128)
    assert gated.state_dict()["last.0.linear.weight"].shape == (1024, 1024)
    assert gated.state_dict()["head.experts.weight"].shape == (2 * 3862, 1024)
    assert [type(layer) for layer in plain.get_submodule("last").children()][1] is nn.ReLU6
    assert "hidden.bias" not in plain.state_dict()  # batch normalisation has one


def test_without_gating_it_trains() -> None:
    options = {"clusters": 4, "hidden": 8, "gating": False}
    model = build_model("netvlad", num_classes=2, rgb_dim=6, audio_dim=3, options=options)
    logits = model(torch.randn(3, 5, 6), torch.randn(3, 5, 3), torch.tensor([5, 2, 3]))
    logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())
