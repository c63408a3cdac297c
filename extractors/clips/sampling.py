"""Clip sampling: the frames of each view of a video, as positions along the sampled part of the video.

In: the length of that part in frames, at the clip's frame rate or, if the clip has none, at the video's. Out: T
positions in [0, length) per view, possibly fractional. Dimensions: T frames, V views.

- `central`: T consecutive frames from the middle. Several views are spread evenly, the first at the start, the last at
  the end.
- `equal`: T frames at equal distances over the whole part; frame j is in the middle of the j-th of T equal intervals.
  With V views, view v is at the v-th of V equally spaced offsets within the intervals.
- `start`: T consecutive frames from `start_seconds` on; several views are spread evenly from there to the end.
- `random`: T consecutive frames from a random position, each view independently and at its own `speed`.

If the part is shorter than a clip, the clip loops or repeats its last frame (`short`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

PLACEMENTS = ("central", "equal", "start", "random")
SHORT = ("loop", "pad")
CROPS = (1, 3)
SPEED_DENOMINATOR = 1000


@dataclass(frozen=True, kw_only=True)
class ClipSampling:
    """The views and crops taken from a video.

    placement      one of `PLACEMENTS`
    views          V, clips at different times of a video
    crops          per view: 1, the centre crop, or 3, along the longer side
    short          for videos shorter than a clip: `loop`, or `pad` with the last frame
    start_seconds  the start of `start` views within the sampled part
    speed          the range of playback speeds of `random` views; 1 is the original speed
    random_crop    whether the crop is at a random position, not in the centre
    """

    placement: str = "central"
    views: int = 1
    crops: int = 1
    short: str = "loop"
    start_seconds: float = 0.0
    speed: tuple[float, float] = (1.0, 1.0)
    random_crop: bool = False

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        problems = []
        if self.placement not in PLACEMENTS:
            problems.append(f"placement is {self.placement!r}, it must be one of {', '.join(PLACEMENTS)}")
        if self.short not in SHORT:
            problems.append(f"short is {self.short!r}, it must be one of {', '.join(SHORT)}")
        if self.views < 1:
            problems.append(f"views is {self.views}, it must be at least 1")
        if self.crops not in CROPS:
            problems.append(f"crops is {self.crops}, it must be one of {', '.join(map(str, CROPS))}")
        if not (math.isfinite(self.start_seconds) and self.start_seconds >= 0):
            problems.append(f"start_seconds is {self.start_seconds}, it must be 0 or more")
        elif self.start_seconds and self.placement != "start":
            problems.append(f"start_seconds applies to placement 'start' only, not to {self.placement!r}")
        if len(self.speed) != 2 or not (0 < self.speed[0] <= self.speed[1] < math.inf):
            problems.append(f"speed is {self.speed}, it must be (slowest, fastest), both above 0")
        elif tuple(self.speed) != (1.0, 1.0) and self.placement != "random":
            problems.append(f"speed applies to placement 'random' only, not to {self.placement!r}")
        if self.random_crop and self.crops != 1:
            problems.append("random_crop excludes 3 crops; set one of them")
        if problems:
            raise ValueError("; ".join(problems))

    def positions(
        self, frames: int, length: Fraction, rng: np.random.Generator, *, with_pairs: bool = False
    ) -> list[list[Fraction]]:
        """Positions (V, T), T = `frames`, in a part of `length` frames.

        `with_pairs` appends, for the motion at each of these, the first frames of T pairs of frames, and the second
        ones: (V, 3 T). A pair is a frame and the next one, or the one before and it where there is no next one.
        """
        views = []
        if self.placement == "equal":
            spacing = length / frames
            for shift in (Fraction(2 * view + 1, 2 * self.views) for view in range(self.views)):
                chosen = [(number + shift) * spacing for number in range(frames)]
                views.append(chosen + _pairs(chosen, length, Fraction(1)) if with_pairs else chosen)
            return views
        for view in range(self.views):
            step = Fraction(1)
            if self.placement == "random":
                step = Fraction(rng.uniform(*self.speed)).limit_denominator(SPEED_DENOMINATOR)
            first = self._first(view, length, frames, step, rng)
            chosen = self._consecutive(first, length, frames, step)
            views.append(chosen + _pairs(chosen, length, step) if with_pairs else chosen)
        return views

    def _first(self, view: int, length: Fraction, frames: int, step: Fraction, rng: np.random.Generator) -> Fraction:
        if self.placement == "random":
            # The last frame of the clip stays within the part.
            return Fraction(rng.random()) * max(length - (frames - 1) * step, Fraction(0))
        room = max(length - frames * step, Fraction(0))
        if self.views > 1:
            return room * view / (self.views - 1)
        return room / 2 if self.placement == "central" else Fraction(0)

    def _consecutive(self, first: Fraction, length: Fraction, frames: int, step: Fraction) -> list[Fraction]:
        available = max(1, math.ceil((length - first) / step))
        numbers = range(frames)
        if self.short == "loop":
            return [first + number % available * step for number in numbers]
        return [first + min(number, available - 1) * step for number in numbers]


def _pairs(positions: list[Fraction], length: Fraction, step: Fraction) -> list[Fraction]:
    """The first frames of the pairs at `positions`, and the second ones."""
    firsts = [one if one + step < length else max(one - step, positions[0]) for one in positions]
    seconds = [one + step if one + step < length else one for one in positions]
    return firsts + seconds
