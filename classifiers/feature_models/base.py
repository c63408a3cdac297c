"""The base class of feature classifiers: features of a batch of videos to class logits.

In: rgb and audio, float32 (N, D) and (N, A) for a video-level model, (N, T, D) and (N, T, A) for a frame-level one;
num_frames int64 (N,). Out: logits (N, K); softmax and sigmoid are applied by the loss and by scoring. N videos, T grid
points, D rgb features, A audio features, H hidden, K classes.

`forward_features` returns the input of the head, (N, H), `forward_head` its logits. The result for a video does not
depend on the padding after its `num_frames`, nor in evaluation on the other videos of the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypedDict, TypeVar, Unpack

import torch
from torch import Tensor, nn

from classifiers.layers.heads import make_head
from classifiers.registration import Registry

Level = Literal["video", "frame"]
DIMENSIONS: dict[Level, int] = {"video": 2, "frame": 3}


class Sizes(TypedDict):
    """The sizes of a model that its data determine: K, D and A."""

    num_classes: int
    rgb_dim: int
    audio_dim: int


class FeatureModel(nn.Module, ABC):
    """A network over the features of a video, with a head.

    config        the model's own configuration, a frozen dataclass
    feature_dim   H
    num_mixtures  of the head (`heads.make_head`)
    """

    level: ClassVar[Level]

    def __init__(self, *, config: Any, feature_dim: int, num_mixtures: int = 0, **sizes: Unpack[Sizes]) -> None:
        super().__init__()
        self.config = config
        self.num_classes = sizes["num_classes"]
        self.rgb_dim = sizes["rgb_dim"]
        self.audio_dim = sizes["audio_dim"]
        wrong = [f"{name} is {getattr(self, name)}" for name in Sizes.__annotations__ if getattr(self, name) < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: each must be at least 1")
        self.feature_dim = feature_dim
        self.num_mixtures = num_mixtures
        self.head = make_head(feature_dim=feature_dim, num_classes=self.num_classes, num_mixtures=num_mixtures)

    @abstractmethod
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """The input of the head, (N, H)."""

    def forward_head(self, features: Tensor) -> Tensor:
        """Features (N, H) to logits (N, K), whatever autocast is set to: of logits in bf16, many would be equal."""
        with _without_autocast(features.device.type):
            logits: Tensor = self.head(features.to(next(self.head.parameters()).dtype))
        return logits

    def forward(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """Features of a batch of videos to logits (N, K).

        Raises:
            ValueError: if the level or the width of the features is not the model's.
        """
        self.check_shapes(rgb, audio)
        return self.forward_head(self.forward_features(rgb, audio, num_frames))

    def reset_head(self, num_classes: int) -> None:
        """Replace the head by a newly initialised one for `num_classes` classes."""
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 1")
        old = next(self.head.parameters())
        head = make_head(feature_dim=self.feature_dim, num_classes=num_classes, num_mixtures=self.num_mixtures)
        self.head = head.to(device=old.device, dtype=old.dtype)
        self.num_classes = num_classes

    def check_shapes(self, rgb: Tensor, audio: Tensor) -> None:
        """Raise `ValueError` if the level or the width of the features is not the model's."""
        dimensions = DIMENSIONS[self.level]
        fits = rgb.ndim == audio.ndim == dimensions and rgb.shape[:-1] == audio.shape[:-1]
        if not fits or (rgb.shape[-1], audio.shape[-1]) != (self.rgb_dim, self.audio_dim):
            between = "T, " * (dimensions - 2)
            raise ValueError(
                f"{type(self).__name__} takes {self.level}-level features of shapes (N, {between}{self.rgb_dim}) and "
                f"(N, {between}{self.audio_dim}), got {tuple(rgb.shape)} and {tuple(audio.shape)}"
            )


def _without_autocast(device: str) -> AbstractContextManager[Any]:
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


@dataclass(frozen=True)
class FeatureModelEntry:
    """A named variant of a feature classifier.

    model       the class; its constructor takes num_classes, rgb_dim, audio_dim and config
    config      the variant's configuration, a frozen dataclass
    parameters  with 10 classes on 1024 rgb and 128 audio features
    """

    name: str
    model: type[FeatureModel]
    config: Any
    parameters: int


FEATURE_MODELS: Registry[FeatureModelEntry] = Registry("model")
ModelT = TypeVar("ModelT", bound=type[FeatureModel])


def register_model(name: str, config: Any, *, parameters: int) -> Callable[[ModelT], ModelT]:
    """A class decorator that registers a variant of the class as `name`."""
    return FEATURE_MODELS.register(lambda model: FeatureModelEntry(name, model, config, parameters))
