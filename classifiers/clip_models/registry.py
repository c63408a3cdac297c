"""All clip classifiers by name; importing this module registers them."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from classifiers.clip_models import (
    c3d,
    fast3d,
    i3d,
    i3d_two_stream,
    inception_v3,
    movinet,
    movinet_stream,
    p3d,
    s3d,
    video_resnet,
)
from classifiers.clip_models.base import CLIP_MODELS, ClipModel

MODULES: tuple[ModuleType, ...] = (
    *(c3d, i3d, i3d_two_stream, s3d, inception_v3),
    *(video_resnet, p3d, fast3d, movinet, movinet_stream),
)


clip_model_names = CLIP_MODELS.names
clip_model_entry = CLIP_MODELS.entry
clip_model_config = CLIP_MODELS.config


def build_clip_model(name: str, *, num_classes: int, options: Mapping[str, object] | None = None) -> ClipModel:
    """A new model `name`, initialised from torch's global generator.

    Raises:
        ValueError: if the name or an option is invalid, or `num_classes` is below 1.
    """
    model_class: Any = clip_model_entry(name).model
    model: ClipModel = model_class(num_classes=num_classes, config=clip_model_config(name, options))
    return model
