"""The audio of a video as mono 16 kHz windows on the time grid of its frames.

In: audio packets of any codec, channel layout and sample rate, in the order of the file. Out: `windows()`, float32
(N, 15600) in [-1, 1], the input of the audio network at N grid points.

Sample 0 of the waveform is the time of the first video frame. Gaps in the track, a late start and an early end are
silent; audio outside the video is dropped. Channels are averaged, as in VGGish's own front end (a downmix matrix would
be louder).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extractors.video.grid import Grid

RATE_HZ = 16_000
WINDOW_SAMPLES = 15_600  # 96 log-mel frames: 95 hops of 160 samples and one frame of 400
PREROLL_SECONDS = Fraction(1, 4)  # decoded before the first window, for codecs whose frames overlap
INTERLEAVING_SECONDS = 10  # how far behind the video packets a file may store the audio
JITTER_SECONDS = 0.04  # smaller deviations of timestamps are rounding, not gaps
PIECE_SAMPLES = 8_000  # per output frame of the resampler


@dataclass(frozen=True, slots=True)
class _Run:
    """Samples without a gap.

    part            position of its part in a spliced file
    first_seconds   timestamp of the first frame, on the container's clock
    pieces          the samples
    jitter_seconds  each frame's timestamp minus the end of the frame before it
    """

    part: int
    first_seconds: float
    pieces: list[NDArray[np.float32]] = field(default_factory=list)
    jitter_seconds: list[float] = field(default_factory=list)

    def seconds(self) -> float:
        """The start of the run; the mean undoes the rounding of many containers to milliseconds."""
        return self.first_seconds + float(np.mean(self.jitter_seconds))


class Waveform:
    """Collects the audio of one pass over a video. `has_audio` is True once any audio was decoded."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard everything, for a new pass from the start."""
        self.has_audio = False
        self._runs: list[_Run] = []
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int, int] | None = None
        self._next_seconds = 0.0
        self._grid: Grid | None = None
        self._first_seconds = -math.inf  # the needed part of the track
        self._last_seconds = math.inf
        self._is_complete = False
        self._part = 0
        self._part_limits = [-math.inf, math.inf]  # of the parts of a spliced file

    def place(self, grid: Grid) -> None:
        """Set the grid, whose origin is time 0 and whose points are the windows' starts."""
        self._grid = grid
        zero_seconds = grid.origin * grid.tick
        self._first_seconds = float(zero_seconds + grid.seconds(grid.first) - PREROLL_SECONDS)
        if grid.stop is not None:
            self._last_seconds = float(zero_seconds + grid.seconds(grid.stop) + Fraction(WINDOW_SAMPLES, RATE_HZ))

    def start_part(self, seconds: float) -> None:
        """End the latest part of the file at `seconds`, where the next one starts: the audio of both stops there."""
        self._part_limits[-1:] = [seconds, math.inf]

    def feed(self, packet: Packet[AudioStream], part: int = 0) -> None:
        """Decode the next packet of the audio track; a damaged one leaves a gap and does not affect the video."""
        self._part = part
        if not packet.size or self._is_unneeded(packet):
            return
        # Damage also produces sample rates of 0, layouts without channels and times that overflow.
        with contextlib.suppress(av.error.FFmpegError, ArithmeticError, ValueError):
            for frame in packet.decode():
                self._append(frame)

    def finish(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Read to the end of the needed audio; `packets` passes the audio packets in between to `feed`."""
        for packet in packets:
            if self._is_complete or self._is_late(packet, INTERLEAVING_SECONDS):
                break

    def windows(self, points: Sequence[int]) -> NDArray[np.float32]:
        """float32 (N, 15600) in [-1, 1]: the 0.975 s of audio from each of N grid points on, given in order."""
        grid = self._grid
        if grid is None or not points:
            return np.zeros((len(points), WINDOW_SAMPLES), np.float32)
        self._flush()
        starts = [round(grid.seconds(index) * RATE_HZ) for index in points]
        waveform = np.zeros(starts[-1] - starts[0] + WINDOW_SAMPLES, np.float32)
        zero_seconds = float(grid.origin * grid.tick) + starts[0] / RATE_HZ
        for run in self._runs:
            samples = np.concatenate(run.pieces)
            offset = round((run.seconds() - zero_seconds) * RATE_HZ)
            first, last = max(offset, 0), min(offset + len(samples), len(waveform))
            if len(self._part_limits) > 2:
                limits = [(limit - zero_seconds) * RATE_HZ for limit in self._part_limits[run.part : run.part + 2]]
                first, last = round(max(first, limits[0])), round(min(last, limits[1]))
            if first < last:
                waveform[first:last] = samples[first - offset : last - offset]
        # Damaged packets and floating point codecs can decode to NaN, infinity and values out of range.
        waveform = np.nan_to_num(waveform, copy=False).clip(-1, 1)
        windows: NDArray[np.float32] = sliding_window_view(waveform, WINDOW_SAMPLES)
        # Evenly spaced windows, the common case, are a view of the waveform.
        steps = {later - earlier for earlier, later in pairwise(starts)} or {1}
        selection = slice(None, None, steps.pop()) if len(steps) == 1 else np.array(starts) - starts[0]
        selected: NDArray[np.float32] = windows[selection]
        return selected

    def _is_unneeded(self, packet: Packet[AudioStream]) -> bool:
        if packet.pts is None:
            return False
        if self._is_late(packet, 0):
            self._is_complete = True
            return True
        return _seconds(packet, packet.pts + (packet.duration or 0)) < self._first_seconds

    def _is_late(self, packet: Packet[AudioStream] | Packet[VideoStream], margin_seconds: int) -> bool:
        return packet.pts is not None and _seconds(packet, packet.pts) > self._last_seconds + margin_seconds

    def _append(self, frame: AudioFrame) -> None:
        self.has_audio = True
        audio_format = (frame.format.name, frame.layout.name, frame.sample_rate, self._part)
        seconds = self._next_seconds if frame.pts is None else float(frame.pts * (frame.time_base or 0))
        jitter_seconds = seconds - self._next_seconds
        if audio_format != self._format or abs(jitter_seconds) > JITTER_SECONDS:
            self._flush()
            self._format = audio_format
            # Interleaved: PyAV 18 reads past the planes of planar frames with eight or more channels.
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=RATE_HZ, frame_size=PIECE_SAMPLES)
            self._runs.append(_Run(self._part, seconds))
            self._next_seconds, jitter_seconds = seconds, 0.0
        self._runs[-1].jitter_seconds.append(jitter_seconds)
        self._next_seconds += frame.samples / frame.sample_rate
        frame.pts = None  # within a run, samples are counted instead
        self._resample(frame)

    def _resample(self, frame: AudioFrame | None) -> None:
        assert self._resampler is not None
        for resampled in self._resampler.resample(frame):
            samples = resampled.to_ndarray().reshape(-1, resampled.layout.nb_channels)  # (samples, channels)
            self._runs[-1].pieces.append(samples.mean(axis=1, dtype=np.float32))

    def _flush(self) -> None:
        if self._resampler is not None:
            self._resample(None)
            self._resampler = None
            self._format = None
        self._runs = [run for run in self._runs if run.pieces]


def _seconds(packet: Packet[AudioStream] | Packet[VideoStream], ticks: int) -> float:
    """`ticks` of the packet's clock in seconds, without `Fraction`, which would take as long as decoding the packet."""
    return ticks * packet.time_base.numerator / packet.time_base.denominator
