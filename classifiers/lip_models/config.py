"""The base class of the configurations of lip readers; each network adds its own fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from classifiers.model_options import check_options
from schemas.lips import COLOURS, NORMALISATIONS, STANDARDISED, LipInput


@dataclass(frozen=True, kw_only=True)
class LipConfig:
    """The size of the input and the width of the network.

    height, width           H and W of a crop
    fps                     frames a second
    normalisation, colours  of the pixels (`schemas.lips.LipInput`)
    width_factor            channels and cells of every layer relative to the published network
    cells_factor            cells of recurrent layers, relative to those: the convolutions take nearly all of the time
    dropout                 after every recurrent layer
    """

    height: int
    width: int
    fps: str = "25"
    normalisation: str = STANDARDISED
    colours: str = "rgb"
    width_factor: float = 1.0
    cells_factor: float = 1.0
    dropout: float = 0.5

    channels: ClassVar[int]
    lips_share: ClassVar[float]  # of the lips in the width of a crop
    choices: ClassVar[Mapping[str, Collection[str]]] = {"normalisation": NORMALISATIONS, "colours": COLOURS}

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        check_options(
            self,
            at_least={"height": 16, "width": 16},
            above_zero=("width_factor", "cells_factor"),
            dropouts=("dropout",),
            choices=self.choices,
        )
        self.lip_input()

    def units(self, published: int) -> int:
        """The channels of a layer that has `published` in the published network."""
        return max(1, round(published * self.width_factor))

    def cells(self, published: int) -> int:
        """The cells of a recurrent layer that has `published` in the published network."""
        return max(1, round(published * self.width_factor * self.cells_factor))

    def lip_input(self) -> LipInput:
        """The form of the network's input."""
        return LipInput(
            height=self.height,
            width=self.width,
            channels=self.channels,
            fps=self.fps,
            normalisation=self.normalisation,
            colours=self.colours,
            lips_share=self.lips_share,
        )
