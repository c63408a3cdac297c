"""All feature classifiers by name; importing this module registers them."""

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
    """A new model `name`, initialised from torch's global generator.

    Raises:
        ValueError: if the name or an option is invalid, or a size is below 1.
    """
    model_class: Any = model_entry(name).model
    config = model_config(name, options)
    model: FeatureModel = model_class(num_classes=num_classes, rgb_dim=rgb_dim, audio_dim=audio_dim, config=config)
    return model
