"""What every feature classifier is: features of a batch of videos to class logits.

In: rgb and audio, float32 (N, D) and (N, A) for a video-level model, (N, T, D) and (N, T, A) for a frame-level one;
num_frames int64 (N,). Out: logits (N, K); softmax and sigmoid belong to the loss and to scoring. N videos, T grid
points, D picture features, A sound features, H hidden, K classes.

`forward_features` gives what the head sees, (N, H), and `forward_head` turns it into logits. What lies beyond a video's
`num_frames` never changes its result, and in evaluation neither do the videos beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from torch import Tensor, nn

from classifiers.layers.heads import make_head
from classifiers.registration import Registry

Level = Literal["video", "frame"]
DIMENSIONS: dict[Level, int] = {"video": 2, "frame": 3}


class FeatureModel(nn.Module, ABC):
    """A network over one video's features, and a head on it."""

    level: ClassVar[Level]

    def __init__(
        self, *, num_classes: int, rgb_dim: int, audio_dim: int, feature_dim: int, num_mixtures: int = 0
    ) -> None:
        """`feature_dim` is H, and `num_mixtures` the head's (`heads.make_head`)."""
        super().__init__()
        sizes = {"num_classes": num_classes, "rgb_dim": rgb_dim, "audio_dim": audio_dim}
        wrong = [f"{name} is {size}" for name, size in sizes.items() if size < 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: each must be at least 1")
        self.num_classes = num_classes
        self.rgb_dim = rgb_dim
        self.audio_dim = audio_dim
        self.feature_dim = feature_dim
        self.num_mixtures = num_mixtures
        self.head = make_head(feature_dim=feature_dim, num_classes=num_classes, num_mixtures=num_mixtures)

    @abstractmethod
    def forward_features(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """What the head sees: (N, H)."""

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits (N, K) of features (N, H)."""
        logits: Tensor = self.head(features)
        return logits

    def forward(self, rgb: Tensor, audio: Tensor, num_frames: Tensor) -> Tensor:
        """Logits (N, K).

        Raises:
            ValueError: if the features are of another level or width than the model's.
        """
        self.check_shapes(rgb, audio)
        return self.forward_head(self.forward_features(rgb, audio, num_frames))

    def reset_head(self, num_classes: int) -> None:
        """Put a fresh head for other classes on the trained network."""
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; it must be at least 1")
        old = next(self.head.parameters())
        head = make_head(feature_dim=self.feature_dim, num_classes=num_classes, num_mixtures=self.num_mixtures)
        self.head = head.to(device=old.device, dtype=old.dtype)
        self.num_classes = num_classes

    def check_shapes(self, rgb: Tensor, audio: Tensor) -> None:
        """Raise `ValueError` if the features are of another level or width than the model's."""
        dimensions = DIMENSIONS[self.level]
        fits = rgb.ndim == audio.ndim == dimensions and rgb.shape[:-1] == audio.shape[:-1]
        if not fits or (rgb.shape[-1], audio.shape[-1]) != (self.rgb_dim, self.audio_dim):
            between = "T, " * (dimensions - 2)
            raise ValueError(
                f"{type(self).__name__} takes {self.level}-level features of shapes (N, {between}{self.rgb_dim}) and "
                f"(N, {between}{self.audio_dim}), got {tuple(rgb.shape)} and {tuple(audio.shape)}"
            )


@dataclass(frozen=True)
class FeatureModelEntry:
    """One name.

    model       the class; its constructor takes num_classes, rgb_dim, audio_dim and config
    config      a frozen dataclass of the model's own numbers, with the values that belong to the name
    parameters  with 10 classes on 1024 picture and 128 sound features
    """

    name: str
    model: type[FeatureModel]
    config: Any
    parameters: int


FEATURE_MODELS: Registry[FeatureModelEntry] = Registry("model")
ModelT = TypeVar("ModelT", bound=type[FeatureModel])


def register_model(name: str, config: Any, *, parameters: int) -> Callable[[ModelT], ModelT]:
    """Register the class below under `name`, once."""
    return FEATURE_MODELS.register(lambda model: FeatureModelEntry(name, model, config, parameters))
