"""Options of lip readers: how the mouth is found, what is read, and how it is learned; and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from classifiers.data.lip_augmentation import LipAugmentationConfig
from classifiers.model_options import parse_options
from cluster.runs.option import named_values, option
from cluster.runs.options import Options, attempt
from schemas.errors import InputError
from schemas.lips import CROPS, FOUND, LipInput

LIPNET_CHARACTERS, OF_TEXTS = "lipnet", "texts"  # alphabets by name


@dataclass(frozen=True)
class LipOptions(Options):
    """Lip reading: how the mouth is found, and what is read."""

    crop: str = option(
        FOUND,
        help="where the mouth is: found by a network, or in the fixed place of the GRID corpus",
        choices=CROPS,
        goes_with="videos",
        common=True,
    )
    face: int | None = option(
        None,
        help="of several faces, the 1st, 2nd … from the left; by default the largest one",
        minimum=1,
        goes_with="videos",
    )
    alphabet: str | None = option(
        None,
        help="characters that are read: lipnet (a to z, digits, '?! and the space), texts (those of all texts), or a "
        "text file of them; by default those of --init-weights, else lipnet",
        filled=True,
        goes_with="videos",
        common=True,
    )
    curriculum: float = option(
        0.0,
        help="share of single words, cut out by the column words, among the examples of the first epoch …",
        minimum=0,
        maximum=1,
        goes_with="videos",
    )
    curriculum_decay: float = option(
        0.925, help="… and its factor from one epoch to the next", minimum=0, maximum=1, goes_with="videos"
    )

    @property
    def alphabet_file(self) -> str | None:
        """The file of the alphabet, if it is one."""
        return None if self.alphabet in (None, LIPNET_CHARACTERS, OF_TEXTS) else self.alphabet

    def settings(self, native: LipInput, augment: tuple[str, ...]) -> LipSettings:
        """What follows for a model that takes `native` crops.

        Raises:
            InputError: with everything that is wrong.
        """
        problems: list[str] = []
        look = attempt(lambda: replace(native, crop=self.crop), problems)
        numbers = attempt(lambda: named_values("augment", augment), problems)
        augmentation = attempt(lambda: parse_options(LipAugmentationConfig(), numbers or {}, "augment"), problems)
        if self.crop != FOUND and self.face is not None:
            problems.append(f"--face goes with --crop {FOUND}")
        if look is None or augmentation is None or problems:
            raise InputError(*problems)
        return LipSettings(
            look=look,
            face=self.face,
            augmentation=augmentation,
            curriculum=self.curriculum,
            curriculum_decay=self.curriculum_decay,
        )


@dataclass(frozen=True, kw_only=True)
class LipSettings:
    """How mouths are taken from videos, and changed in training; resolved.

    curriculum, curriculum_decay  share of single words in the first epoch, and its factor in each later one
    """

    look: LipInput
    face: int | None
    augmentation: LipAugmentationConfig
    curriculum: float
    curriculum_decay: float

    def word_share(self, epoch: int) -> float:
        """The share of single words among the examples of an epoch."""
        return self.curriculum * self.curriculum_decay**epoch
