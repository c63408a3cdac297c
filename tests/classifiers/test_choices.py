"""The names are those of what can be chosen."""

from __future__ import annotations

from classifiers import choices
from classifiers.clip_models.registry import clip_model_names
from classifiers.feature_models.registry import model_names
from classifiers.lip_models.registry import lip_model_names
from classifiers.losses import LOSSES
from classifiers.training import config, optimizers


def test_every_name_has_something_to_choose_and_nothing_lacks_a_name() -> None:
    assert model_names() == choices.FEATURE_MODELS
    assert clip_model_names() == choices.CLIP_MODELS
    assert lip_model_names() == choices.LIP_MODELS
    assert tuple(LOSSES) == choices.TASKS
    assert tuple(optimizers.OPTIMIZERS) == choices.OPTIMIZERS
    assert tuple(config.PRECISIONS) == choices.PRECISIONS
