"""The sound of clips: decoded once for all of them, cut to the sample, and encoded as AAC.

In: the audio packets of a pass over the video. Out: packets in the container of each clip. Sample 0 of a clip is the
time of its first frame; where the source has no sound, the clip is silent. Mono, stereo and 5.1 stay; other layouts
become stereo, and sample rates that AAC lacks 48 kHz.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Final

import av.error
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from extractors.cutting.span import raise_unwritable
from extractors.video.held_audio import JITTER_SECONDS

CODEC: Final = "aac"
FORMAT = "fltp"
LAYOUTS = {1: "mono", 6: "5.1"}  # by number of channels
RATES_HZ = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
USUAL_HZ = 48_000
BLOCK_SAMPLES = 1024  # that an AAC packet holds
BITS_PER_CHANNEL = 96_000

Samples = NDArray[np.float32]


class SoundReader:
    """Takes the audio packets of a pass, and gives their samples to the `tracks` that are open.

    layout, rate_hz  of the samples
    """

    def __init__(self, stream: AudioStream) -> None:
        context = stream.codec_context
        self.layout = LAYOUTS.get(context.layout.nb_channels, "stereo")
        self.rate_hz = context.sample_rate if context.sample_rate in RATES_HZ else USUAL_HZ
        self.tracks: list[SoundTrack] = []
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._next_seconds: Fraction | None = None

    def start_part(self, seconds: float) -> None:
        """Begin a further part of a spliced file, with a run of its own."""
        self._resampler = None

    def feed(self, packet: Packet[AudioStream], part: int = 0) -> None:
        """Decode a packet; a damaged one leaves silence. Raises `VideoError` where the disk takes no more."""
        if not packet.size:
            return
        with contextlib.suppress(av.error.FFmpegError, ArithmeticError, ValueError):
            for frame in packet.decode():
                self._take(frame)

    def _take(self, frame: AudioFrame) -> None:
        seconds = self._next_seconds
        if frame.pts is not None and frame.time_base:
            declared = frame.pts * frame.time_base
            if seconds is None or self._resampler is None or abs(declared - seconds) > JITTER_SECONDS:
                seconds = declared
                self._resampler = None
        if seconds is None:
            return
        audio_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or audio_format != self._format:
            self._format = audio_format
            # Interleaved: PyAV 18 reads past the planes of planar frames with eight or more channels.
            self._resampler = AudioResampler(format="flt", layout=self.layout, rate=self.rate_hz)
        frame.pts = None  # within a run, samples are counted instead
        for resampled in self._resampler.resample(frame):
            planes = np.asarray(resampled.to_ndarray(), np.float32)
            samples = planes.reshape(-1, resampled.layout.nb_channels)  # (samples, channels)
            for track in self.tracks:
                track.add(seconds, samples)
            seconds += Fraction(len(samples), self.rate_hz)
        self._next_seconds = seconds


class SoundTrack:
    """The sound from `start_seconds` to `end_seconds`, on the clock of the packets; held until `begin`."""

    def __init__(self, reader: SoundReader, start_seconds: Fraction, end_seconds: Fraction) -> None:
        self._rate_hz, self._layout = reader.rate_hz, reader.layout
        self._channels = AudioLayout(reader.layout).nb_channels
        self._start_seconds = start_seconds
        self._total = round((end_seconds - start_seconds) * reader.rate_hz)
        self._count = 0  # samples so far
        self._fifo = AudioFifo()
        self._container: OutputContainer | None = None

    @property
    def is_complete(self) -> bool:
        """Whether no further sample is needed."""
        return self._count >= self._total

    def begin(self, container: OutputContainer) -> None:
        """Have a stream in `container` from now on."""
        self._container = container
        self._stream = container.add_stream(CODEC, rate=self._rate_hz, layout=self._layout)
        self._stream.codec_context.bit_rate = BITS_PER_CHANNEL * self._channels

    def add(self, seconds: Fraction, samples: Samples) -> None:
        """Take the samples (N, channels) that begin at `seconds`, as far as they are in the clip and new."""
        first = round((seconds - self._start_seconds) * self._rate_hz)
        stop = min(first + len(samples), self._total)
        if stop <= self._count:
            return
        if first > self._count:
            self._write(np.zeros((first - self._count, self._channels), np.float32))
        self._write(samples[self._count - first : stop - first])

    def finish(self) -> None:
        """Write what is still held."""
        self._encode(partial=True)
        self._mux(None)

    def _write(self, samples: Samples) -> None:
        for begin in range(0, len(samples), self._rate_hz):
            block = np.ascontiguousarray(samples[begin : begin + self._rate_hz].T)  # (channels, samples)
            frame = AudioFrame.from_ndarray(block, format=FORMAT, layout=self._layout)
            frame.sample_rate, frame.time_base = self._rate_hz, Fraction(1, self._rate_hz)
            frame.pts = self._count
            self._fifo.write(frame)
            self._count += block.shape[1]
            self._encode(partial=False)

    def _encode(self, *, partial: bool) -> None:
        if self._container is None:
            return
        while (frame := self._fifo.read(BLOCK_SAMPLES, partial)) is not None:
            self._mux(frame)

    def _mux(self, frame: AudioFrame | None) -> None:
        if self._container is None:
            return
        packets = self._stream.encode(frame)
        try:
            self._container.mux(packets)
        except av.error.FFmpegError as error:
            raise_unwritable(error)
            raise
