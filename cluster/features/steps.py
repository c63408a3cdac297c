"""The steps of a timeline over the features of a video's frames, and the features that each step looks at.

In: the number of a video's frames, the start of its part, and its gaps. Out: `FrameSteps`, runs of its frames; and
`FeatureBatch`es of them: means for models of means, the frames themselves for others.

A grid point stands for the time up to the next one. Step k stands for the time from k to k + 1 times 1 / hz after the
first frame of the video. It looks at the grid points whose middle is within `window_seconds` around its own: at 1 Hz,
in a window of 5 s, at those from k - 2 to k + 2. A step is missing where all grid points are that it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.data.batches import FeatureBatch
from cluster.features.blocks import FeatureBlock
from cluster.features.files import VIDEO
from cluster.features.gaps import Gap
from cluster.features.window import padded
from schemas.quantization import decode
from schemas.videos import Seconds

BATCH_FRAMES = 4096  # 20 MB of sums or of frames
INT64_LIMIT = 1 << 62
# Bounds of gaps are stored as float32, and those of lost segments lie between grid points.
ROUNDING_POINTS, ROUNDING = 1e-3, 2**-24


@dataclass(frozen=True)
class FrameSteps:
    """n steps of one video, or of several one after the other.

    numbers      (n,) int64, ascending within a video
    first, stop  (n,) int64: the frames of a step, as positions among all those of the videos; ascending
    """

    numbers: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class StepGrid:
    """Where the steps of videos are.

    fps             grid points in a second
    hz              steps in a second
    window_seconds  that a step looks at; at least the distance of grid points
    """

    fps: Fraction
    hz: Fraction
    window_seconds: Fraction

    def __post_init__(self) -> None:
        """Refuse windows that may fall between two grid points."""
        if self.window_seconds * self.fps < 1:
            raise ValueError(
                f"--window is {float(self.window_seconds):g} s, but these features are {float(1 / self.fps):g} s "
                f"apart: give at least that"
            )

    def steps(self, frames: int, *, start_seconds: Seconds = 0, gaps: Sequence[Gap] = ()) -> FrameSteps:
        """The steps of a video, at least one; it has so many frames from `start_seconds` on, outside of its `gaps`."""
        points = self._grid_points(frames, start_seconds, gaps)
        ratio = self.hz / self.fps
        # The steps that overlap the time of each grid point.
        earliest, latest = _floor(points, ratio), _ceil(points + 1, ratio)
        counts = latest - earliest
        numbers = np.unique(np.repeat(earliest - np.cumsum(counts) + counts, counts) + np.arange(counts.sum()))
        numbers = numbers[numbers >= math.ceil(start_seconds * self.hz)]
        # In grid points: the middle of step k is at (k + 1/2) / ratio, that of grid point g at g + 1/2.
        middle, half = 1 / (2 * ratio), self.fps * self.window_seconds / 2
        bounds = (_floor(numbers, 1 / ratio, middle + side - Fraction(1, 2)) for side in (-half, half))
        first, stop = (np.searchsorted(points, bound, "right").astype(np.int64) for bound in bounds)
        seen = stop > first
        if not seen.any():  # the part is shorter than a step, or has no frame at all
            number = math.floor(int(points[0]) * ratio) if frames else 0
            return FrameSteps(np.array([number]), np.array([0]), np.array([frames]))
        return FrameSteps(numbers[seen], first[seen], stop[seen])

    def _grid_points(self, frames: int, start_seconds: Seconds, gaps: Sequence[Gap]) -> NDArray[np.int64]:
        """The numbers of a video's frames on the grid."""
        before = math.ceil(start_seconds * self.fps)
        points = np.arange(before, before + frames, dtype=np.int64)
        for gap in sorted(gaps):
            start, end = (_grid_point(seconds, self.fps) for seconds in gap)
            start = max(start, before)
            if end > start:
                points[np.searchsorted(points, start) :] += end - start
                before = end
        return points


def step_batches(block: FeatureBlock, steps: FrameSteps, level: str) -> Iterator[tuple[slice, FeatureBatch]]:
    """The features that the steps of a block's videos look at, for a model of `level`, in batches.

    Yields which of the steps, and a batch that has a video for each of them.
    """
    longest = int((steps.stop - steps.first).max(initial=1))
    start, total = 0, len(steps.numbers)
    while start < total:
        # Of a run of steps, all frames from the first to the last are read.
        stop = int(np.searchsorted(steps.stop, steps.first[start] + max(BATCH_FRAMES, longest), "right"))
        if level != VIDEO:
            stop = min(stop, start + max(BATCH_FRAMES // longest, 1))
        first, counts = steps.first[start:stop], (steps.stop - steps.first)[start:stop]
        of_steps = _means if level == VIDEO else padded
        yield (
            slice(start, stop),
            FeatureBatch(
                rgb=torch.from_numpy(of_steps(block.rgb, first, counts)),
                audio=torch.from_numpy(of_steps(block.audio, first, counts)),
                num_frames=torch.from_numpy(counts),
            ),
        )
        start = stop


def _means(frames: NDArray[Any], first: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """The means (n, D) of n runs of frames (F, D), decoded; of an empty run, zeros."""
    begin, end = int(first[0]), int((first + counts).max())
    is_codes = frames.dtype == np.uint8
    sums = np.zeros((end - begin + 1, frames.shape[1]), np.int64 if is_codes else np.float64)
    np.cumsum(frames[begin:end], axis=0, out=sums[1:])
    means = (sums[first + counts - begin] - sums[first - begin]) / np.maximum(counts, 1)[:, None]
    decoded = decode(means) if is_codes else means.astype(np.float32)
    decoded[counts == 0] = 0
    return decoded


def _grid_point(seconds: float, fps: Fraction) -> int:
    """The first grid point that is not before a bound of a gap."""
    position = seconds * float(fps)
    return math.ceil(position - ROUNDING_POINTS - ROUNDING * abs(position))


def _floor(numbers: NDArray[np.int64], slope: Fraction, offset: Fraction = Fraction(0)) -> NDArray[np.int64]:
    """The whole part of slope x + offset, exactly."""
    divisor = math.lcm(slope.denominator, offset.denominator)
    factor, summand = int(slope * divisor), int(offset * divisor)
    largest = int(np.abs(numbers).max(initial=0)) * abs(factor) + abs(summand)
    values = numbers if largest < INT64_LIMIT and divisor < INT64_LIMIT else numbers.astype(object)
    return ((values * factor + summand) // divisor).astype(np.int64)


def _ceil(numbers: NDArray[np.int64], slope: Fraction, offset: Fraction = Fraction(0)) -> NDArray[np.int64]:
    return -_floor(numbers, -slope, -offset)
