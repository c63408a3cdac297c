"""Random changes of the clips of a mouth, to train lip readers with.

In: uint8 (T, H, W, 3), and a random generator. Out: uint8 (T', H, W, 3), all frames changed alike.

Source: LipNet (arXiv:1611.01599): mirrored clips, and frames dropped and repeated with a probability of 0.05 each,
against varying speeds of motion. The shift stands for a mouth that was not found exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

MAX_SHIFT = 64


@dataclass(frozen=True, kw_only=True)
class LipAugmentationConfig:
    """All changes are off by default.

    flip    probability of a horizontal flip
    shift   pixels by which the crop is shifted at most, in any direction; edges are continued
    drop    probability of each frame to be dropped
    repeat  … to be shown twice
    """

    flip: float = 0.0
    shift: int = 0
    drop: float = 0.0
    repeat: float = 0.0

    def __post_init__(self) -> None:
        """Check the values; reports all problems at once."""
        limits = {"flip": 1.0, "shift": MAX_SHIFT, "drop": 0.5, "repeat": 0.5}
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        problems = [
            f"{name} is {value}, it must be between 0 and {limits[name]:g}"
            for name, value in values.items()
            if not 0 <= value <= limits[name]
        ]
        if problems:
            raise ValueError("; ".join(problems))


def augmented(
    crops: NDArray[np.uint8], config: LipAugmentationConfig, rng: np.random.Generator, *, least_frames: int = 1
) -> NDArray[np.uint8]:
    """The clip, changed at random; frames are dropped only as long as `least_frames` are left."""
    # Every number is drawn, whatever is on, so that one change does not alter another.
    chances, shifts, steps = rng.random(), rng.integers(-config.shift, config.shift + 1, 2), rng.random(len(crops))
    if chances < config.flip:
        crops = crops[:, :, ::-1]
    if shifts.any():
        height, width = crops.shape[1:3]
        rows, columns = (
            np.clip(np.arange(size) + by, 0, size - 1) for size, by in zip((height, width), shifts, strict=True)
        )
        crops = crops[:, rows[:, None], columns]
    times = np.where(steps < config.drop, 0, np.where(steps >= 1 - config.repeat, 2, 1))
    if times.sum() < max(least_frames, 1):
        times = np.maximum(times, 1)
    return np.ascontiguousarray(np.repeat(crops, times, axis=0))
