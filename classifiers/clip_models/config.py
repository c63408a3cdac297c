"""The numbers that every clip classifier's configuration has; a family's own come after them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from classifiers.model_options import check_options
from schemas.clips import ClipFormat


@dataclass(frozen=True, kw_only=True)
class ClipConfig(ABC):
    """What a network looks at, and how wide it is.

    frames, height, width  T, H, W of a clip
    width_factor           channels of every layer, times the published ones: below 1 for small models of one's own
    dropout                of the features, before the head
    """

    frames: int = 16
    height: int = 112
    width: int = 112
    width_factor: float = 1.0
    dropout: float = 0.0

    # What a family checks besides: see `check_options`.
    at_least: ClassVar[Mapping[str, int]] = {}
    choices: ClassVar[Mapping[str, Collection[str]]] = {}

    def __post_init__(self) -> None:
        """Check the numbers, all at once."""
        check_options(
            self,
            at_least={"frames": 1, "height": 1, "width": 1, **self.at_least},
            above_zero=("width_factor",),
            dropouts=("dropout",),
            choices=self.choices,
        )

    def channels(self, published: int) -> int:
        """How many channels a layer has that was published with so many."""
        return max(1, round(published * self.width_factor))

    @abstractmethod
    def clip_format(self) -> ClipFormat:
        """What a model of this configuration looks at."""
