"""The audio of a video, as far as it is held: runs of samples on the time grid of its frames.

In: runs of mono samples at 16 kHz (`AudioRun`), in the order of the track. Out: float32 (N, 15600) in [-1, 1], the
windows at N grid points. Sample 0 is the time of the first video frame. Between runs there is silence; where runs
overlap, the last one counts. The runs of a part of a spliced file end where the next part starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extractors.video.audio_run import AudioRun
from extractors.video.grid import Grid

RATE_HZ = 16_000
WINDOW_SAMPLES = 15_600  # 96 log-mel frames: 95 hops of 160 samples and one frame of 400
JITTER_SECONDS = 0.04  # smaller deviations of timestamps are rounding, not gaps


class HeldAudio:
    """The runs of one pass. Without a grid they are only collected.

    grid          its origin is time 0, its points are the starts of the windows
    places        start of each run on the container's clock, where an earlier pass has found it
    ended         the same of the runs that have ended in this pass
    is_misplaced  whether a run has ended elsewhere than where it was settled
    """

    def __init__(self, grid: Grid | None = None, places: Sequence[float] = ()) -> None:
        self.grid = grid
        self.ended: list[float] = []
        self.is_misplaced = False
        self._places = places
        self._runs: list[AudioRun] = []
        self._part_limits = [-math.inf, math.inf]  # on the container's clock
        self._zero_sample: int | None = None  # from which the others are counted; itself counted from the origin
        self._zero_seconds = 0.0  # its time on the container's clock

    @property
    def samples(self) -> int:
        """The number of samples held."""
        return sum(run.held for run in self._runs)

    def start_run(self, part: int, seconds: float) -> AudioRun:
        """The next run of the track, whose first frame has the timestamp `seconds`."""
        place = self._places[len(self.ended)] if len(self.ended) < len(self._places) else None
        is_same_run = place is not None and abs(place - seconds) < JITTER_SECONDS
        self._runs.append(AudioRun(part, seconds, place if is_same_run else None))
        return self._runs[-1]

    def end_run(self) -> None:
        """End the latest run."""
        run = self._runs[-1]
        seconds = run.seconds if self._places else run.mean_seconds()
        if seconds != run.seconds and self._offset(seconds) != self._offset(run.seconds):
            self.is_misplaced = True
        run.settle()
        self.ended.append(seconds)
        self._runs = [run for run in self._runs if run.held]

    def align(self, point: int) -> None:
        """Count samples from the window of a grid point, the first one with a frame; later calls have no effect."""
        assert self.grid is not None
        if self._zero_sample is None:
            self._zero_sample = round(self.grid.seconds(point) * RATE_HZ)
            self._zero_seconds = float(self.grid.origin * self.grid.tick) + self._zero_sample / RATE_HZ

    def start_part(self, seconds: float) -> None:
        """End the latest part of the file at `seconds` on the container's clock, where the next one starts."""
        self._part_limits[-1:] = [seconds, math.inf]

    def point_at(self, seconds: float) -> int:
        """The first grid point from `seconds` on the container's clock on."""
        assert self.grid is not None
        return math.ceil((seconds - float(self.grid.origin * self.grid.tick)) * float(self.grid.fps))

    def first_of_latest(self, samples: int) -> float:
        """The earliest time of the latest `samples`, in seconds on the container's clock."""
        earliest = math.inf
        for run in reversed(self._runs):
            latest = min(run.held, samples)
            earliest = min(earliest, run.seconds + (run.length - latest) / RATE_HZ)
            samples -= latest
            if not samples:
                break
        return earliest

    def settle(self, seconds: float) -> None:
        """Leave the runs from before `seconds` on the container's clock where they are."""
        for run in self._runs:
            if run.seconds < seconds + 2 * JITTER_SECONDS:
                run.settle()

    def release(self, point: int) -> None:
        """Forget the samples before the window of a grid point; the runs up to there are settled."""
        start = self._start(point)
        for run in self._runs:
            run.release(start - self._offset(run.seconds))
        *ended, latest = self._runs
        self._runs = [*(run for run in ended if run.held), latest]

    def windows(self, points: Sequence[int]) -> NDArray[np.float32]:
        """float32 (N, 15600) in [-1, 1]: the 0.975 s of audio from each of N grid points on, given in order."""
        if self.grid is None or not points:
            return np.zeros((len(points), WINDOW_SAMPLES), np.float32)
        self.align(points[0])
        starts = [self._start(index) for index in points]
        first, stop = starts[0], starts[-1] + WINDOW_SAMPLES
        waveform = np.zeros(stop - first, np.float32)
        for run in self._runs:
            offset = self._offset(run.seconds)
            run_first, run_stop = self._within_part(run.part, offset + run.released, offset + run.length)
            run_first, run_stop = max(run_first, first), min(run_stop, stop)
            if run_first < run_stop:
                waveform[run_first - first : run_stop - first] = run.samples(run_first - offset, run_stop - offset)
        # Damaged packets and floating point codecs can decode to NaN, infinity and values out of range.
        waveform = np.nan_to_num(waveform, copy=False).clip(-1, 1)
        windows: NDArray[np.float32] = sliding_window_view(waveform, WINDOW_SAMPLES)
        # Evenly spaced windows, the common case, are a view of the waveform.
        steps = {later - earlier for earlier, later in pairwise(starts)} or {1}
        selection = slice(None, None, steps.pop()) if len(steps) == 1 else np.array(starts) - first
        selected: NDArray[np.float32] = windows[selection]
        return selected

    def _within_part(self, part: int, first: int, stop: int) -> tuple[int, int]:
        """The samples between `first` and `stop` that are within the limits of a part."""
        if len(self._part_limits) == 2:
            return first, stop
        start, end = ((limit - self._zero_seconds) * RATE_HZ for limit in self._part_limits[part : part + 2])
        return round(max(first, start)), round(min(stop, end))

    def _start(self, point: int) -> int:
        """The first sample of a window."""
        assert self.grid is not None
        assert self._zero_sample is not None
        return round(self.grid.seconds(point) * RATE_HZ) - self._zero_sample

    def _offset(self, seconds: float) -> int:
        """The sample at `seconds` on the container's clock."""
        return round((seconds - self._zero_seconds) * RATE_HZ)
