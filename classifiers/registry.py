"""Every feature classifier by name: importing this module registers them all, and `build_model` makes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classifiers import attention_pooling, dbof, dense, mixture_of_experts, netvlad, nextvlad, recurrent
from classifiers.feature_model import FeatureModel
from classifiers.model_options import parse_options
from classifiers.named_entry import named_entry
from classifiers.registration import MODELS, ModelEntry

MODULES = (dense, mixture_of_experts, recurrent, dbof, netvlad, nextvlad, attention_pooling)


def model_names() -> tuple[str, ...]:
    """All names, in order."""
    return tuple(sorted(MODELS))


def model_entry(name: str) -> ModelEntry:
    """What is registered under `name`.

    Raises:
        ValueError: if the name is unknown; the message has the nearest one and all others.
    """
    return named_entry(MODELS, name, "model")


def model_config(name: str, options: Mapping[str, object] | None = None) -> Any:
    """The numbers of model `name`, with `options` in place of some: an instance of the model's configuration.

    Raises:
        ValueError: if the name or an option is unknown, or values have wrong types or are out of range; all at once.
    """
    return parse_options(model_entry(name).config, options or {}, f"options of model {name!r}")


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
