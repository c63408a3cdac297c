"""Every clip classifier by name: importing this module registers them all, and `build_clip_model` makes one."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from classifiers import c3d, fast3d, i3d, movinet, p3d, s3d, video_resnet
from classifiers.clip_model import ClipModel
from classifiers.clip_registration import CLIP_MODELS, ClipModelEntry
from classifiers.model_options import parse_options
from classifiers.named_entry import named_entry

MODULES: tuple[ModuleType, ...] = (
    c3d,
    i3d,
    s3d,
    video_resnet,
    p3d,
    fast3d,
    movinet,
)


def clip_model_names() -> tuple[str, ...]:
    """All names, in order."""
    return tuple(sorted(CLIP_MODELS))


def clip_model_entry(name: str) -> ClipModelEntry:
    """What is registered under `name`.

    Raises:
        ValueError: if the name is unknown; the message has the nearest one and all others.
    """
    return named_entry(CLIP_MODELS, name, "clip model")


def clip_model_config(name: str, options: Mapping[str, object] | None = None) -> Any:
    """The numbers of model `name`, with `options` in place of some: an instance of the model's configuration.

    Raises:
        ValueError: if the name or an option is unknown, or values have wrong types or are out of range; all at once.
    """
    return parse_options(clip_model_entry(name).config, options or {}, f"options of model {name!r}")


def build_clip_model(name: str, *, num_classes: int, options: Mapping[str, object] | None = None) -> ClipModel:
    """A fresh model `name`; its weights come from torch's generator.

    Raises:
        ValueError: as `clip_model_config` does, or if `num_classes` is below 1.
    """
    maker: Any = clip_model_entry(name).model
    model: ClipModel = maker(num_classes=num_classes, config=clip_model_config(name, options))
    return model
