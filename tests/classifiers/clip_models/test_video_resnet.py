from __future__ import annotations

import pytest
import torch
from torch import nn

from classifiers.clip_models.registry import build_clip_model
from tests.support import clip_parity

FIXTURES = {"r3d-18": "r3d_18", "mc3-18": "mc3_18", "r2plus1d-18": "r2plus1d_18"}


@pytest.mark.parametrize("name", FIXTURES)
def test_published_weights_give_the_published_network(name: str) -> None:
    fixture = FIXTURES[name]
    expected = clip_parity.golden(fixture)
    model = clip_parity.filled(name, fixture)
    with torch.inference_mode():
        features = model.forward_features(model.prepare(clip_parity.clip(fixture)))
        logits = model.forward_head(features)
    assert clip_parity.error(features, expected["feat"]) < clip_parity.TOLERANCE
    assert clip_parity.error(logits, expected["logits"]) < clip_parity.TOLERANCE


def test_r2plus1d_34_has_the_shapes_of_the_public_file() -> None:
    with torch.device("meta"):
        model = build_clip_model("r2plus1d-34", num_classes=400)
    state = model.state_dict()
    middle = {
        key: len(state[f"trunk.{key}.0.0.weight"]) for key in ("layer2.0.conv1", "layer2.0.conv2", "layer4.0.conv2")
    }
    assert middle == {"layer2.0.conv1": 230, "layer2.0.conv2": 288, "layer4.0.conv2": 1152}
    assert [len(model.trunk.get_submodule(f"layer{layer}")) for layer in (1, 2, 3)] == [3, 4, 6]
    assert {norm.eps for norm in model.modules() if isinstance(norm, nn.BatchNorm3d)} == {1e-3}
    # The public file has 255,061,555 bytes; what is no number in it is names.
    size = sum(value.numel() * value.element_size() for value in state.values())
    assert 255_061_555 - 100_000 < size < 255_061_555


def test_invalid_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"width_factor must be above 0, got 0.*convolutions must be one of .*'4d'"):
        build_clip_model("r3d-18", num_classes=2, options={"convolutions": ["3d", "4d"], "width_factor": 0})
    with pytest.raises(ValueError, match="one of each per layer"):
        build_clip_model("r3d-18", num_classes=2, options={"blocks": [1, 1]})
