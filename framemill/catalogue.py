"""The models that can be trained."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from classifiers.clip_models.registry import clip_model_entry, clip_model_names
from classifiers.clip_models.streaming import StreamModel
from classifiers.feature_models.registry import model_entry, model_names
from classifiers.lip_models.registry import lip_model_entry, lip_model_names

LEVELS = {"video": "mean features", "frame": "frame features"}


@dataclass(frozen=True)
class Model:
    """A model for `framemill train --model NAME`.

    Attributes:
        name: Its name.
        takes: What it looks at: `mean features`, `frame features`, `clips`, `streams` (one frame after the other) or
            `lips`.
        parameters: Their number with 10 classes, or with those of the published weights.
        description: What it is.
    """

    name: str
    takes: str
    parameters: int
    description: str


def models() -> tuple[Model, ...]:
    """All models, by what they look at, then by name.

    Example:
        >>> import framemill
        >>> [model.name for model in framemill.models() if model.takes == "lips"]
        ['lipnet', 'lipnet-keras']
    """
    found = []
    for name in model_names():
        entry = model_entry(name)
        found.append(Model(name, LEVELS[entry.model.level], entry.parameters, _summary(entry.model)))
    for name in clip_model_names():
        clips = clip_model_entry(name)
        takes = "streams" if issubclass(clips.model, StreamModel) else "clips"
        found.append(Model(name, takes, clips.parameters, _summary(clips.model)))
    for name in lip_model_names():
        lips = lip_model_entry(name)
        found.append(Model(name, "lips", lips.parameters, _summary(lips.model)))
    order = (*LEVELS.values(), "clips", "streams", "lips")
    return tuple(sorted(found, key=lambda model: (order.index(model.takes), model.name)))


def _summary(model: type) -> str:
    """The first sentence of its documentation."""
    return (inspect.getdoc(model) or "").partition("\n\n")[0].replace("\n", " ").removesuffix(".")
