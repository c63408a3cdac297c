"""Names for feature classifiers: a decorator that puts a class into `MODELS`, with its published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from classifiers.feature_model import FeatureModel

Model = TypeVar("Model", bound=type[FeatureModel])


@dataclass(frozen=True)
class ModelEntry:
    """One name.

    model       the class; its constructor takes num_classes, rgb_dim, audio_dim and config
    config      a frozen dataclass of the model's own numbers, with the values that belong to the name
    parameters  with 10 classes on 1024 picture and 128 sound features
    """

    name: str
    model: type[FeatureModel]
    config: Any
    parameters: int


MODELS: dict[str, ModelEntry] = {}


def register_model(name: str, config: Any, *, parameters: int) -> Callable[[Model], Model]:
    """Register the class below under `name`.

    Raises:
        ValueError: if the name is taken.
    """

    def add(model: Model) -> Model:
        if name in MODELS:
            raise ValueError(f"model {name!r} is registered already, as {MODELS[name].model.__name__}")
        MODELS[name] = ModelEntry(name, model, config, parameters)
        return model

    return add
