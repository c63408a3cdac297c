"""All lip readers by name; importing this module registers them."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from classifiers.lip_models import lipnet, lipnet_keras
from classifiers.lip_models.base import LIP_MODELS, LipModel

MODULES: tuple[ModuleType, ...] = (lipnet, lipnet_keras)

lip_model_names = LIP_MODELS.names
lip_model_entry = LIP_MODELS.entry
lip_model_config = LIP_MODELS.config


def build_lip_model(name: str, *, num_classes: int, options: Mapping[str, object] | None = None) -> LipModel:
    """A new model `name`, initialised from torch's global generator.

    Raises:
        ValueError: if the name or an option is invalid, or `num_classes` is below 2.
    """
    model_class: Any = lip_model_entry(name).model
    model: LipModel = model_class(num_classes=num_classes, config=lip_model_config(name, options))
    return model
