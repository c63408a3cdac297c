"""A video's sound → mono 16 kHz float32, on the time grid of its pictures.

Packets of any codec, layout and rate come in as the demuxer meets them; `windows()` gives what the audio network hears
at each grid point. Sample 0 of the waveform is the moment of the video's first frame. Where the track has a gap, starts
late or ends early there is silence; what lies outside the picture is left out. Channels are averaged, as VGGish's own
front end does (a downmix matrix would be louder).
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
PREROLL_SECONDS = Fraction(1, 4)  # decoded before the first window, so that the codec's own overlap has settled
INTERLEAVING_SECONDS = 10  # how far behind its pictures a file may keep the sound
JITTER_SECONDS = 0.04  # timestamps that stray less than this are rounding, not gaps
PIECE_SAMPLES = 8_000  # that the resampler collects before it hands them on


@dataclass(frozen=True, slots=True)
class _Run:
    """Samples without a gap: where the first was said to lie, and by how much each frame strayed from following on."""

    first_seconds: float
    pieces: list[NDArray[np.float32]] = field(default_factory=list)
    strays_seconds: list[float] = field(default_factory=list)

    def seconds(self) -> float:
        """Where the run begins on the container's clock. Many round that to milliseconds; the mean does not."""
        return self.first_seconds + float(np.mean(self.strays_seconds))


class Sound:
    """Collects the waveform of one pass over a video. `has_track` tells whether any sound was found."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the pass begins again."""
        self.has_track = False
        self._runs: list[_Run] = []
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._next_seconds = 0.0
        self._grid: Grid | None = None
        self._first_seconds = -math.inf  # what of the track is wanted
        self._last_seconds = math.inf
        self._is_complete = False

    def place(self, grid: Grid) -> None:
        """Learn when the video's first frame is seen, and which grid points are wanted."""
        self._grid = grid
        zero_seconds = grid.origin * grid.tick
        self._first_seconds = float(zero_seconds + grid.seconds(grid.first) - PREROLL_SECONDS)
        if grid.stop is not None:
            self._last_seconds = float(zero_seconds + grid.seconds(grid.stop) + Fraction(WINDOW_SAMPLES, RATE_HZ))

    def feed(self, packet: Packet[AudioStream]) -> None:
        """Take the next packet of the sound track; a damaged one leaves a gap and costs no picture."""
        if not packet.size or self._is_unwanted(packet):
            return
        # Besides what cannot be decoded: rates of zero, layouts without channels, times beyond any number.
        with contextlib.suppress(av.error.FFmpegError, ArithmeticError, ValueError):
            for frame in packet.decode():
                self._take(frame)

    def finish(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Read on to the end of the wanted sound; `packets` passes the rest of the track to `feed` on its way."""
        for packet in packets:
            if self._is_complete or self._is_late(packet, INTERLEAVING_SECONDS):
                break

    def windows(self, points: Sequence[int]) -> NDArray[np.float32]:
        """(N, 15600) float32 in [-1, 1]: what is heard for 0.975 s from each of N grid points on, given in order."""
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
            if first < last:
                waveform[first:last] = samples[first - offset : last - offset]
        # Damaged packets, and any of a floating point codec, can decode to NaN, to infinity and far out of range.
        waveform = np.nan_to_num(waveform, copy=False).clip(-1, 1)
        windows: NDArray[np.float32] = sliding_window_view(waveform, WINDOW_SAMPLES)
        # Evenly spaced windows, the rule, are a view of the waveform, however many there are.
        steps = {later - earlier for earlier, later in pairwise(starts)} or {1}
        chosen = slice(None, None, steps.pop()) if len(steps) == 1 else np.array(starts) - starts[0]
        heard: NDArray[np.float32] = windows[chosen]
        return heard

    def _is_unwanted(self, packet: Packet[AudioStream]) -> bool:
        if packet.pts is None:
            return False
        if self._is_late(packet, 0):
            self._is_complete = True
            return True
        return _seconds(packet, packet.pts + (packet.duration or 0)) < self._first_seconds

    def _is_late(self, packet: Packet[AudioStream] | Packet[VideoStream], margin_seconds: int) -> bool:
        return packet.pts is not None and _seconds(packet, packet.pts) > self._last_seconds + margin_seconds

    def _take(self, frame: AudioFrame) -> None:
        self.has_track = True
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        seconds = self._next_seconds if frame.pts is None else float(frame.pts * (frame.time_base or 0))
        stray_seconds = seconds - self._next_seconds
        if form != self._format or abs(stray_seconds) > JITTER_SECONDS:
            self._flush()
            self._format = form
            # Interleaved: of planar frames with eight channels and more, PyAV 18 reads planes that are not there.
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=RATE_HZ, frame_size=PIECE_SAMPLES)
            self._runs.append(_Run(seconds))
            self._next_seconds, stray_seconds = seconds, 0.0
        self._runs[-1].strays_seconds.append(stray_seconds)
        self._next_seconds += frame.samples / frame.sample_rate
        frame.pts = None  # the run's own clock counts from here on
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
    """Of the packet's clock. A `Fraction` for each of a track's many packets would take as long as decoding it."""
    return ticks * packet.time_base.numerator / packet.time_base.denominator
