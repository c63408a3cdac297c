"""Tiny recordings to be joined: second k shows the number k and sounds the tone k."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from extractors.video.coverage import Extent
from extractors.video.decode import sample_frames
from extractors.video.waveform import RATE_HZ, Waveform
from jobs.samples.priority import keeping_priority
from tests.support.videos import picture, read_number

BLOCK = 1024
TONE_HZ, TONE_STEP_HZ = 300, 100
FAST_VPX = {"cpu-used": "8", "lag-in-frames": "0"}


@dataclass(frozen=True)
class Recording:
    """What to encode: `seconds` from second `first` on, with the video's clock at `start` and the audio's at another.

    `sound_start` and `sound_seconds` place the audio, of which second 0 has the tone of the first second.
    """

    first: int = 0
    seconds: int = 3
    rate: int = 10
    codec: str = "libx264"
    sound: str | None = "aac"
    sound_rate: int = 16_000
    width: int = 96
    height: int = 48
    start: float = 0.0
    sound_start: float | None = None
    sound_seconds: float | None = None
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    format: str | None = None


# Containers that can be joined, with codecs that they commonly hold.
JOINABLE = {
    ".ts": Recording(),
    ".mpg": Recording(rate=25, codec="mpeg2video", sound="mp2"),
    ".vob": Recording(rate=25, codec="mpeg2video", sound="ac3", sound_rate=48_000),
    ".mkv": Recording(),
    ".webm": Recording(codec="libvpx", sound="libopus", sound_rate=48_000, options=FAST_VPX),
    ".flv": Recording(codec="flv", sound="libmp3lame", sound_rate=44_100),
}


@keeping_priority()
def write_recording(path: Path, recording: Recording) -> Path:
    """Encode `recording`; a key frame every second."""
    with av.open(str(path), "w", format=recording.format, options=recording.container_options) as container:
        video = container.add_stream(recording.codec, rate=recording.rate, options=recording.options)
        video.width, video.height, video.pix_fmt = recording.width, recording.height, "yuv420p"
        video.codec_context.thread_count = 1
        video.codec_context.gop_size = recording.rate
        audio = None
        if recording.sound is not None:
            audio = container.add_stream(recording.sound, rate=recording.sound_rate, layout="mono")
        packets = []
        for number in range(recording.seconds * recording.rate):
            image = picture(recording.first + number // recording.rate, recording.width, recording.height)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number + round(recording.start * recording.rate), Fraction(1, recording.rate)
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None:
            packets += _sound_packets(audio, recording)
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            container.mux(packet)
    return path


def _sound_packets(audio: av.AudioStream, recording: Recording) -> list[av.Packet]:
    seconds = recording.seconds if recording.sound_seconds is None else recording.sound_seconds
    start = recording.start if recording.sound_start is None else recording.sound_start
    times = np.arange(round(seconds * recording.sound_rate)) / recording.sound_rate
    hz = TONE_HZ + TONE_STEP_HZ * (recording.first + np.floor(times))
    samples = (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    size = audio.codec_context.frame_size or BLOCK
    resampler = av.AudioResampler(format=audio.format.name, layout="mono", rate=recording.sound_rate)
    packets = []
    for position in range(0, len(samples), size):
        frame = av.AudioFrame.from_ndarray(samples[None, position : position + size], format="flt", layout="mono")
        frame.sample_rate = recording.sound_rate
        frame.pts, frame.time_base = position + round(start * recording.sound_rate), Fraction(1, recording.sound_rate)
        for converted in resampler.resample(frame):
            packets += audio.encode(converted)
    return packets + audio.encode(None)


def join(path: Path, *parts: Path) -> Path:
    """`cat parts > path`."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@dataclass(frozen=True)
class Sampled:
    """Grid point → number on screen; grid point → tone, None where it is silent; and the extent."""

    numbers: dict[int, int]
    tones: dict[int, int | None]
    extent: Extent

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The ranges of missing grid points."""
        return self.extent.missing_ranges(list(self.numbers))


def sampled(path: Path, fps: int = 1, *, selective: bool = True) -> Sampled:
    """Sample a recording."""
    waveform, extent = Waveform(), Extent()
    found = list(sample_frames(path, fps, selective, waveform=waveform, extent=extent))
    points = [sample.index for sample in found]
    tones = [_tone(window) for window in waveform.windows(points)]
    numbers = [read_number(sample.image) for sample in found]
    return Sampled(dict(zip(points, numbers, strict=True)), dict(zip(points, tones, strict=True)), extent)


def _tone(window: NDArray[np.float32]) -> int | None:
    """The tone that sounds for most of `window`."""
    if np.mean(np.abs(window) > 0.01) < 0.5:
        return None
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window))))
    return round((np.argmax(spectrum) * RATE_HZ / len(window) - TONE_HZ) / TONE_STEP_HZ)
