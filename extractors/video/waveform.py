"""The audio of a video as mono 16 kHz windows on the time grid of its frames.

In: audio packets of any codec, channel layout and sample rate, in the order of the file. Out: float32 (N, 15600) in
[-1, 1], the input of the audio network at N grid points.

Sample 0 of the waveform is the time of the first video frame. Gaps in the track, a late start and an early end are
silent; audio outside the video is dropped. Channels are averaged, as in VGGish's own front end (a downmix matrix would
be louder).

Ten minutes of audio are held, more than a segment has. In a longer pass, a receiver is given the windows of all but the
latest five minutes as soon as the pictures have reached them, and their audio is released: memory does not depend on
the length of the video, but on how far the audio is ahead of the pictures. The windows are the same as without a
receiver, except where audio is stored more than five minutes late, which is lost, and where the end of a run moves its
samples (`AudioRun`): `is_misplaced` then asks for another pass.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from extractors.video.audio_run import PIECE_SAMPLES, AudioRun
from extractors.video.grid import Grid
from extractors.video.held_audio import JITTER_SECONDS, RATE_HZ, WINDOW_SAMPLES, HeldAudio

PREROLL_SECONDS = Fraction(1, 4)  # decoded before the first window, for codecs whose frames overlap
MIN_RATE_HZ = 250  # of the track: below, nothing is in the range that VGGish hears, and resampling has no bounds
INTERLEAVING_SECONDS = 10  # how far behind the video packets a file may store the audio
HELD_SECONDS = 600
CHECKS = 10  # while as much audio comes in
BLOCK_WINDOWS, BLOCK_SECONDS = 512, 600  # given at a time: tens of MiB

# Takes the first of some consecutive grid points, and their windows (n, 15600). A point that does not follow the latest
# starts a new pass.
Receiver = Callable[[int, NDArray[np.float32]], None]


class Waveform:
    """Collects the audio of one pass over a video.

    `receive` takes windows during the pass, whenever more than `held_seconds` of audio are held; without it, all audio
    is held.

    has_audio   whether any audio was decoded
    next_point  the first grid point whose window was not passed on; None if none was
    """

    def __init__(self, receive: Receiver | None = None, held_seconds: int = HELD_SECONDS) -> None:
        self._receive = receive
        self._held_samples = held_seconds * RATE_HZ
        self._first_point: int | None = None  # with a frame
        self._reached_point = -1
        self.reset()

    def reset(self) -> None:
        """Discard everything, for a new pass from the start."""
        self._first_seconds = -math.inf  # the needed part of the track
        self._last_seconds = math.inf
        self._placed_after = math.inf  # packets
        self._restart(HeldAudio())

    def repeat(self) -> None:
        """Discard the audio, for a new pass over the same packets: its runs are where this one has found them."""
        self._restart(HeldAudio(self._held.grid, self._held.ended))

    def _restart(self, held: HeldAudio) -> None:
        self.has_audio = False
        self.next_point: int | None = None
        self._held = held
        self._run: AudioRun | None = None
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int, int] | None = None
        self._next_seconds = 0.0
        self._is_complete = False
        self._part = 0
        self._packet_count = 0
        self._new_samples = 0

    @property
    def is_misplaced(self) -> bool:
        """Whether windows were passed on that the end of a run has moved."""
        return self._held.is_misplaced

    def place(self, grid: Grid) -> None:
        """Set the grid, whose origin is time 0 and whose points are the windows' starts."""
        self._held.grid = grid
        self._placed_after = self._packet_count
        zero_seconds = grid.origin * grid.tick
        self._first_seconds = float(zero_seconds + grid.seconds(grid.first) - PREROLL_SECONDS)
        if grid.stop is not None:
            self._last_seconds = float(zero_seconds + grid.seconds(grid.stop) + Fraction(WINDOW_SAMPLES, RATE_HZ))

    def reach(self, point: int) -> None:
        """Note that a frame was sampled at a grid point; no window is needed before the first one."""
        if self._first_point is None:
            self._first_point = point
        self._reached_point = max(self._reached_point, point)

    def start_part(self, seconds: float) -> None:
        """End the latest part of the file at `seconds`, where the next one starts: the audio of both stops there."""
        self._held.start_part(seconds)

    def feed(self, packet: Packet[AudioStream], part: int = 0) -> None:
        """Decode the next packet of the audio track; a damaged one leaves a gap and does not affect the video."""
        self._part = part
        self._packet_count += 1
        if not packet.size or (self._packet_count > self._placed_after and self._is_unneeded(packet)):
            return
        # Damage also produces absurd sample rates, layouts without channels and times that overflow.
        with contextlib.suppress(av.error.FFmpegError, ArithmeticError, ValueError):
            for frame in packet.decode():
                self._append(frame)
        if self._receive is not None and self._new_samples * CHECKS > self._held_samples:
            self._new_samples = 0
            self._pass_on(self._receive)

    def finish(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Read to the end of the needed audio; `packets` passes the audio packets in between to `feed`."""
        for packet in packets:
            if self._is_complete or self._is_late(packet, INTERLEAVING_SECONDS):
                break
        self._end_run()

    def windows(self, points: Sequence[int]) -> NDArray[np.float32]:
        """float32 (N, 15600) in [-1, 1]: the 0.975 s of audio from each of N grid points on, given in order.

        The points may be any that were not passed on.
        """
        self._end_run()
        if self._held.grid is None or not points:
            return np.zeros((len(points), WINDOW_SAMPLES), np.float32)
        self._held.align(points[0] if self._first_point is None else self._first_point)
        return self._held.windows(points)

    def blocks(self, points: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """The same windows, a few at a time."""
        return map(self.windows, self._in_blocks(points))

    def _pass_on(self, receive: Receiver) -> None:
        """Pass on the windows of all but the latest audio, as far as the pictures have reached them."""
        held = self._held
        if held.grid is None or self._first_point is None or held.samples <= self._held_samples:
            return
        held.align(self._first_point)
        settled_seconds = held.first_of_latest(self._held_samples // 2)
        first = self._first_point if self.next_point is None else self.next_point
        settled = held.point_at(settled_seconds - WINDOW_SAMPLES / RATE_HZ) - 1  # but for rounding
        stop = min(settled, self._reached_point + 1)
        if stop > first:
            held.settle(settled_seconds)
            for points in self._in_blocks(range(first, stop)):
                receive(points[0], held.windows(points))
            held.release(stop)
            self.next_point = stop

    def _in_blocks(self, points: Sequence[int]) -> Iterator[Sequence[int]]:
        """`points` in groups that are computed at a time, which bounds the memory for it."""
        span = BLOCK_SECONDS if self._held.grid is None else int(BLOCK_SECONDS * self._held.grid.fps)
        first = 0
        for position, point in enumerate(points):
            if position - first == BLOCK_WINDOWS or point - points[first] > span:
                yield points[first:position]
                first = position
        if points:
            yield points[first:]

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
        if frame.sample_rate < MIN_RATE_HZ:
            raise ValueError(f"a sample rate of {frame.sample_rate} Hz")
        self.has_audio = True
        audio_format = (frame.format.name, frame.layout.name, frame.sample_rate, self._part)
        seconds = self._next_seconds if frame.pts is None else float(frame.pts * (frame.time_base or 0))
        jitter_seconds = seconds - self._next_seconds
        if self._run is None or audio_format != self._format or abs(jitter_seconds) > JITTER_SECONDS:
            self._end_run()
            # Interleaved: PyAV 18 reads past the planes of planar frames with eight or more channels.
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=RATE_HZ, frame_size=PIECE_SAMPLES)
            self._run = self._held.start_run(self._part, seconds)
            self._format = audio_format
            self._next_seconds, jitter_seconds = seconds, 0.0
        self._run.add_frame(jitter_seconds)
        self._next_seconds += frame.samples / frame.sample_rate
        frame.pts = None  # within a run, samples are counted instead
        self._resample(self._run, frame)

    def _resample(self, run: AudioRun, frame: AudioFrame | None) -> None:
        assert self._resampler is not None
        for resampled in self._resampler.resample(frame):
            samples = resampled.to_ndarray().reshape(-1, resampled.layout.nb_channels)  # (samples, channels)
            run.add_samples(samples.mean(axis=1, dtype=np.float32))
            self._new_samples += len(samples)

    def _end_run(self) -> None:
        if self._run is not None:
            self._resample(self._run, None)
            self._held.end_run()
            self._run = None


def _seconds(packet: Packet[AudioStream] | Packet[VideoStream], ticks: int) -> float:
    """`ticks` of the packet's clock in seconds, without `Fraction`, which would take as long as decoding the packet."""
    return ticks * packet.time_base.numerator / packet.time_base.denominator
