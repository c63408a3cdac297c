from __future__ import annotations

import pytest
import torch
from torch import nn

from classifiers.feature_models.registry import build_model

LAYERS = {
    "logistic": ((), (), (), 1152),
    "dense-1": ((), (), ((1152, 108),), 108),
    "dense-2": ((), (), ((1152, 108),), 108),
    "dense-3": (((1024, 220),), ((128, 65),), (), 285),
    "dense-4": (((1024, 220), (220, 220)), ((128, 65), (65, 65)), (), 285),
    "dense-5": (((1024, 220),), ((128, 65),), ((285, 60),), 60),
    "dense-6": (((1024, 220),), ((128, 65),), ((285, 60), (60, 60)), 60),
    "dense-7": (((1024, 220),), ((128, 65),), ((285, 60),), 60),
}
DROPOUTS = {
    "logistic": 0,
    "dense-1": 0,
    "dense-2": 1,
    "dense-3": 2,
    "dense-4": 4,
    "dense-5": 2,
    "dense-6": 2,
    "dense-7": 2,
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_table(name: str) -> None:
    model = build_model(name, num_classes=10)

    def sizes(part: str) -> tuple[tuple[int, int], ...]:
        modules = model.get_submodule(part).modules()
        return tuple((layer.in_features, layer.out_features) for layer in modules if isinstance(layer, nn.Linear))

    assert (sizes("rgb"), sizes("audio"), sizes("shared"), model.feature_dim) == LAYERS[name]
    assert sizes("head") == ((model.feature_dim, 10),)
    dropouts = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.5] * DROPOUTS[name]
    assert sum(isinstance(layer, nn.Tanh) for layer in model.modules()) == sum(map(len, LAYERS[name][:3]))


def test_weights_are_initialised_as_in_keras() -> None:
    torch.manual_seed(0)
    layer = build_model("dense-1", num_classes=10).get_submodule("shared.0")
    assert isinstance(layer, nn.Linear)
    limit = (6 / (1152 + 108)) ** 0.5
    assert not layer.bias.any()
    assert 0.99 * limit < layer.weight.abs().max() <= limit
    assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.02)


def test_model_1_equals_its_layers_by_hand() -> None:
    model = build_model("dense-1", num_classes=2, rgb_dim=3, audio_dim=2, options={"activation": "relu"}).double()
    rgb, audio = torch.randn(4, 3).double(), torch.randn(4, 2).double()
    state = model.state_dict()
    hidden = (torch.cat([rgb, audio], 1) @ state["shared.0.weight"].T).clamp(min=0)
    torch.testing.assert_close(model(rgb, audio, torch.ones(4)), hidden @ state["head.weight"].T)
