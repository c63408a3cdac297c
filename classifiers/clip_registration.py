"""Names for clip classifiers: a decorator that puts a class into `CLIP_MODELS`, with its published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from classifiers.clip_model import ClipModel

Model = TypeVar("Model", bound=type[ClipModel])


@dataclass(frozen=True)
class Accuracy:
    """What was published of a model: top-1 in percent on a dataset, and where that stands."""

    percent: float
    dataset: str
    source: str


@dataclass(frozen=True)
class ClipModelEntry:
    """One name.

    model       the class; its constructor takes num_classes and config
    config      a frozen dataclass of the model's own numbers, with the values that belong to the name; it has
                `clip_format()`, what the model looks at
    parameters  with `classes` classes, those of the published weights
    gflops      of one clip of the model's format, a multiplication and its addition counted as two
    accuracy    None where none was published
    """

    name: str
    model: type[ClipModel]
    config: Any
    parameters: int
    classes: int
    gflops: float
    accuracy: Accuracy | None = None


CLIP_MODELS: dict[str, ClipModelEntry] = {}


def register_clip_model(
    name: str, config: Any, *, parameters: int, classes: int, gflops: float, accuracy: Accuracy | None = None
) -> Callable[[Model], Model]:
    """Register the class below under `name`.

    Raises:
        ValueError: if the name is taken.
    """

    def add(model: Model) -> Model:
        if name in CLIP_MODELS:
            raise ValueError(f"clip model {name!r} is registered already, as {CLIP_MODELS[name].model.__name__}")
        CLIP_MODELS[name] = ClipModelEntry(name, model, config, parameters, classes, gflops, accuracy)
        return model

    return add
