"""The input of a lip reader: the mouth of a speaker, frame by frame, of one size, with normalised pixels."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.numerals import number_of

# From pixels x of 0..255, the mean and the population deviation being those of all pixels of the clip.
STANDARDISED = "standardised"  # (x - mean) / deviation
WRAPPED = "standardised-uint8-wrap"  # the same in bytes: the mean cut to an integer, 256 added to negative differences
UNIT = "unit"  # x / 255
NORMALISATIONS = (STANDARDISED, WRAPPED, UNIT)
# The order of a frame's channels. Networks that were trained on OpenCV's frames want blue first; where those were taken
# for RGB, grey gives blue the weight of red.
COLOURS = ("rgb", "bgr")
GREY_WEIGHTS = (0.2989, 0.587, 0.114)  # of the first, second and third channel: ITU-R BT.601, as of TensorFlow
# Where the mouth is: a network finds the face and its lips, or it is in the place that it has in the GRID corpus.
CROPS = FOUND, FIXED = ("found", "fixed")
FIXED_SIZE = (46, 140)
MAX_SIDE = 1 << 10


@dataclass(frozen=True, kw_only=True)
class LipInput:
    """How crops of the mouth become a network's input; weights belong to one such form.

    height, width  H and W of a crop
    channels       C: 3, or 1 for grey
    fps            frames a second, as a decimal or a fraction
    normalisation  of pixels, one of `NORMALISATIONS`
    colours        the order of the channels, one of `COLOURS`, also for making grey
    lips_share     of the lips in the width of a crop whose mouth was found
    crop           how the mouth is cropped out of a frame, one of `CROPS`
    """

    height: int
    width: int
    channels: int
    fps: str = "25"
    normalisation: str = STANDARDISED
    colours: str = "rgb"
    lips_share: float = 1 / 1.38
    crop: str = FOUND

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        sides = {"height": self.height, "width": self.width}
        wrong = {name: side for name, side in sides.items() if not 1 <= side <= MAX_SIDE}
        problems = [f"{name} is {side}, allowed are 1 to {MAX_SIDE}" for name, side in wrong.items()]
        if self.channels not in (1, 3):
            problems.append(f"channels is {self.channels}, allowed are 1 and 3")
        if not _is_positive(self.fps):
            problems.append(f"fps is {self.fps!r}, it must be a number above 0, such as 25 or 30000/1001")
        if self.normalisation not in NORMALISATIONS:
            problems.append(f"normalisation is {self.normalisation!r}, allowed are {', '.join(NORMALISATIONS)}")
        if self.colours not in COLOURS:
            problems.append(f"colours is {self.colours!r}, allowed are {', '.join(COLOURS)}")
        if not 0 < self.lips_share <= 1:
            problems.append(f"lips_share is {self.lips_share}, it must be above 0 and at most 1")
        if self.crop not in CROPS:
            problems.append(f"crop is {self.crop!r}, allowed are {', '.join(CROPS)}")
        elif self.crop == FIXED and (self.height, self.width) != FIXED_SIZE:
            fixed = " x ".join(map(str, FIXED_SIZE))
            problems.append(f"a fixed crop is {fixed} pixels, but the network takes {self.height} x {self.width}")
        if problems:
            raise ValueError("; ".join(problems))


def _is_positive(text: str) -> bool:
    try:
        return number_of(text) > 0
    except ValueError:
        return False
