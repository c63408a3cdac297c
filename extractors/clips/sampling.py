"""Which frames of a video make a clip, as positions along the part of it that is wanted.

In: how long that part is, in frames: of the clip's own rate, or of the video where the clip has none. Out: for each
view T positions from 0 on, below that length, which may be fractions. Dimensions: T frames, V views.

- `central`: T neighbouring frames from the middle. Several views are spread evenly, the first at the beginning, the
  last at the end.
- `equal`: T frames equally far apart over the whole; frame j is in the middle of the j-th of T equal stretches. Of V
  views each takes its own of V equally far places within the stretches.
- `start`: T neighbouring frames from `start_seconds` on; several views go on from there, spread evenly up to the end.
- `random`: T neighbouring frames from anywhere, each view for itself, at a `speed` of its own.

What is shorter than a clip is begun again from where the clip began, or its last frame stays, by choice.
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
    """How clips are taken from a video.

    placement      one of `PLACEMENTS`
    views          V, clips of a video that lie apart in time
    crops          of each: 1, from the middle, or 3, along the longer side
    short          what happens where a video is shorter than a clip: `loop` or `pad`
    start_seconds  where `start` begins, counted from the beginning of the part that is wanted
    speed          the slowest and the fastest at which `random` shows a video; 1 is its own speed
    random_crop    whether the part that is seen lies anywhere in the frame, in place of the middle
    """

    placement: str = "central"
    views: int = 1
    crops: int = 1
    short: str = "loop"
    start_seconds: float = 0.0
    speed: tuple[float, float] = (1.0, 1.0)
    random_crop: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be, all of it at once."""
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
            problems.append(f"start_seconds belongs to the placement 'start', not to {self.placement!r}")
        if len(self.speed) != 2 or not (0 < self.speed[0] <= self.speed[1] < math.inf):
            problems.append(f"speed is {self.speed}: the slowest and the fastest are wanted, both above 0")
        elif tuple(self.speed) != (1.0, 1.0) and self.placement != "random":
            problems.append(f"speed belongs to the placement 'random', not to {self.placement!r}")
        if self.random_crop and self.crops != 1:
            problems.append("random_crop and 3 crops contradict each other")
        if problems:
            raise ValueError("; ".join(problems))

    def positions(self, frames: int, length: Fraction, rng: np.random.Generator) -> list[list[Fraction]]:
        """Positions (V, T) of T = `frames` frames each, in a part that is `length` frames long."""
        if self.placement == "equal":
            spacing = length / frames
            shifts = [Fraction(2 * view + 1, 2 * self.views) for view in range(self.views)]
            return [[(number + shift) * spacing for number in range(frames)] for shift in shifts]
        views = []
        for view in range(self.views):
            step = Fraction(1)
            if self.placement == "random":
                step = Fraction(rng.uniform(*self.speed)).limit_denominator(SPEED_DENOMINATOR)
            first = self._first(view, length, frames, step, rng)
            views.append(self._run(first, length, frames, step))
        return views

    def _first(self, view: int, length: Fraction, frames: int, step: Fraction, rng: np.random.Generator) -> Fraction:
        if self.placement == "random":
            # Anywhere where the last frame is still there.
            return Fraction(rng.random()) * max(length - (frames - 1) * step, Fraction(0))
        room = max(length - frames * step, Fraction(0))
        if self.views > 1:
            return room * view / (self.views - 1)
        return room / 2 if self.placement == "central" else Fraction(0)

    def _run(self, first: Fraction, length: Fraction, frames: int, step: Fraction) -> list[Fraction]:
        there = max(1, math.ceil((length - first) / step))
        numbers = range(frames)
        if self.short == "loop":
            return [first + number % there * step for number in numbers]
        return [first + min(number, there - 1) * step for number in numbers]
