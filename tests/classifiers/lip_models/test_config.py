from __future__ import annotations

import pytest

from classifiers.lip_models.base import LIP_MODELS
from classifiers.lip_models.lipnet_keras import LipNetKerasConfig
from classifiers.lip_models.registry import build_lip_model
from schemas.lips import WRAPPED, LipInput


def test_it_says_how_crops_become_input() -> None:
    config = LipNetKerasConfig(height=50, normalisation=WRAPPED, colours="bgr", fps="30")
    assert config.lip_input() == LipInput(
        height=50, width=140, channels=1, fps="30", normalisation=WRAPPED, colours="bgr", lips_share=40 / 140
    )


def test_layers_never_vanish() -> None:
    assert LipNetKerasConfig(width_factor=0.001).units(128) == 1
    assert LipNetKerasConfig().units(75) == 75
    assert LipNetKerasConfig(width_factor=0.001).cells(128) == 1


def test_narrow_networks_may_have_more_cells() -> None:
    options = {"width_factor": 1 / 8, "cells_factor": 4.0}
    assert LipNetKerasConfig(**options).cells(128) == 64
    for name, published in (("lipnet", 256), ("lipnet-keras", 128)):
        model = build_lip_model(name, num_classes=2, options={**options, "height": 16, "width": 32})
        assert model.feature_dim == published
        assert next(model.convolutions.parameters()).shape[0] == LIP_MODELS.config(name, options).units(
            {"lipnet": 32, "lipnet-keras": 128}[name]
        )


def test_all_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match="height must be at least 16, got 8") as raised:
        LipNetKerasConfig(height=8, width_factor=0, cells_factor=-1, dropout=1.0, colours="grb")
    for problem in (
        "width_factor must be above 0",
        "cells_factor must be",
        "dropout must be at least 0 and below 1",
        "colours must be one of",
    ):
        assert problem in str(raised.value)
    with pytest.raises(ValueError, match="fps is 'fast', it must be a number above 0"):
        LipNetKerasConfig(fps="fast")
    with pytest.raises(ValueError, match="width is 5000, allowed are 1 to 1024"):
        LipNetKerasConfig(width=5000)
