"""Every feature classifier by name: importing this module registers them all, and `build_model` makes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classifiers.feature_models import attention_pooling, dbof, dense, mixture_of_experts, netvlad, nextvlad, recurrent
from classifiers.feature_models.base import FEATURE_MODELS, FeatureModel

MODULES = (dense, mixture_of_experts, recurrent, dbof, netvlad, nextvlad, attention_pooling)


model_names = FEATURE_MODELS.names
model_entry = FEATURE_MODELS.entry
model_config = FEATURE_MODELS.config


def build_model(
    name: str,
    *,
    num_classes: int,
    rgb_dim: int = 1024,
    audio_dim: int = 128,
    options: Mapping[str, object] | None = None,
) -> FeatureModel:
    """A fresh model `name`; its weights come from torch's generator.

    Raises:
        ValueError: as `model_config` does, or if a size is below 1.
    """
    maker: Any = model_entry(name).model
    config = model_config(name, options)
    model: FeatureModel = maker(num_classes=num_classes, rgb_dim=rgb_dim, audio_dim=audio_dim, config=config)
    return model
