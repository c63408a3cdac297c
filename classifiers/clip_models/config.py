"""The base class of the configurations of clip classifiers; each family adds its own fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from classifiers.model_options import check_options
from schemas.clips import ClipFormat


@dataclass(frozen=True, kw_only=True)
class ClipConfig(ABC):
    """The size of the input and the width of the network.

    frames, height, width  T, H, W of a clip
    width_factor           channels of every layer relative to the published network; below 1 for small models
    dropout                of the features, before the head
    """

    frames: int = 16
    height: int = 112
    width: int = 112
    width_factor: float = 1.0
    dropout: float = 0.0

    # Checks of a family's own fields (`check_options`).
    at_least: ClassVar[Mapping[str, int]] = {}
    choices: ClassVar[Mapping[str, Collection[str]]] = {}

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        check_options(
            self,
            at_least={"frames": 1, "height": 1, "width": 1, **self.at_least},
            above_zero=("width_factor",),
            dropouts=("dropout",),
            choices=self.choices,
        )

    def channels(self, published: int) -> int:
        """The channels of a layer that has `published` channels in the published network."""
        return max(1, round(published * self.width_factor))

    @abstractmethod
    def clip_format(self) -> ClipFormat:
        """The format of the model's input."""

    def make_format(
        self, *, resize: tuple[int, ...], fps: str | None, pixels: Mapping[str, Any], flow: str | None = None
    ) -> ClipFormat:
        """A format of this size; `pixels` is a normalisation of `schemas.clips`, `flow` a method of it."""
        return ClipFormat(
            frames=self.frames, height=self.height, width=self.width, resize=resize, fps=fps, flow=flow, **pixels
        )
