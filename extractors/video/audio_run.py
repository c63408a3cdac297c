"""A run of audio: samples without a gap, and their place on the container's clock.

In: mono samples in the order of the track, and by how much the timestamp of each decoded frame deviates from the end of
the frame before it. Out: stretches of the samples.

Containers round timestamps, many to milliseconds, so the mean deviation of all frames places the run. Where its samples
are needed before it has ended, `settle` keeps it where the frames so far place it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PIECE_SAMPLES = 8_000


class AudioRun:
    """One run of `length` samples so far, of which the last ones are held.

    part     position of its part in a spliced file
    seconds  timestamp of the first frame, on the container's clock
    place    start of the run on that clock, where an earlier pass has found it
    """

    def __init__(self, part: int, seconds: float, place: float | None = None) -> None:
        self.part = part
        self.length = 0
        self._first_seconds = seconds
        self._place = place
        self._pieces: list[NDArray[np.float32]] = []  # of `PIECE_SAMPLES` each but for the last
        self._released_pieces = 0
        self._deviations: list[float] = []  # in seconds, of the frames before the run was settled
        self._later_sum, self._later_frames = 0.0, 0  # of those since

    @property
    def released(self) -> int:
        """The number of samples that are no longer held."""
        return min(self._released_pieces * PIECE_SAMPLES, self.length)

    @property
    def held(self) -> int:
        """The number of samples that are held."""
        return self.length - self.released

    @property
    def seconds(self) -> float:
        """The start of the run on the container's clock."""
        return self.mean_seconds() if self._place is None else self._place

    def mean_seconds(self) -> float:
        """The start of the run by all frames so far."""
        if not self._later_frames:
            return self._first_seconds + float(np.mean(self._deviations))
        total = sum(self._deviations) + self._later_sum
        return self._first_seconds + total / (len(self._deviations) + self._later_frames)

    def add_frame(self, deviation_seconds: float) -> None:
        """Take the timestamp of the next frame into account."""
        if self._place is None:
            self._deviations.append(deviation_seconds)
        else:
            self._later_sum += deviation_seconds
            self._later_frames += 1

    def add_samples(self, samples: NDArray[np.float32]) -> None:
        """Add the next `PIECE_SAMPLES` samples, or the last ones of the run."""
        self._pieces.append(samples)
        self.length += len(samples)

    def settle(self) -> None:
        """Leave the run where it is; later frames do not move it."""
        self._place = self.seconds

    def samples(self, first: int, stop: int) -> NDArray[np.float32]:
        """Samples `first` to `stop` (exclusive), of those held."""
        head, end = first // PIECE_SAMPLES, -(-stop // PIECE_SAMPLES)
        pieces = self._pieces[head - self._released_pieces : end - self._released_pieces]
        return np.concatenate(pieces)[first - head * PIECE_SAMPLES : stop - head * PIECE_SAMPLES]

    def release(self, stop: int) -> None:
        """Forget the samples before `stop`, in whole pieces."""
        count = min(stop // PIECE_SAMPLES - self._released_pieces, len(self._pieces))
        if count > 0:
            del self._pieces[:count]
            self._released_pieces += count
