"""Tiny real videos, encoded by PyAV, whose pictures tell their own frame number.

The number is drawn as a row of black and white blocks, so that it survives any codec; the rest of the picture moves, so
that every frame depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from jobs.samples.priority import keeping_priority

BITS = 12
TICKS = 90_000


@dataclass(frozen=True)
class Clip:
    """What to encode. `pts` are in 1/90,000 s; by default frame n stands at n / rate seconds."""

    codec: str = "libx264"
    frames: int = 100
    rate: int = 25
    width: int = 192
    height: int = 96
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    gop: int | None = None
    b_frames: int | None = None
    pts: Sequence[int] | None = None
    sound: str | None = None  # an audio codec
    sound_rate: int = 44_100
    sound_layout: str = "stereo"
    sound_seconds: float | None = None
    sound_start: float = 0.0
    sound_hz: float = 440.0
    container_options: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    rotation: int = 0


def picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8: a moving texture with `number` in blocks along the top."""
    y, x = np.mgrid[0:height, 0:width]
    texture = 128 + 60 * np.sin((x + 3 * number) / 9.0) * np.cos((y - 2 * number) / 7.0)
    image = np.stack([texture, np.roll(texture, number, 1), 255 - texture], axis=-1).astype(np.uint8)
    block = width // BITS
    for bit in range(BITS):
        image[: height // 3, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 16
    return image


def read_number(image: NDArray[np.uint8]) -> int:
    """The frame number that `picture` drew."""
    height, width = image.shape[:2]
    block = width // BITS
    rows = slice(height // 12, height // 4)
    return sum(
        (image[rows, bit * block + block // 4 : (bit + 1) * block - block // 4].mean() > 128) << bit
        for bit in range(BITS)
    )


def tone(seconds: float, rate: int, channels: int, hz: float) -> NDArray[np.float32]:
    """(channels, samples) float32 sine, amplitude 0.5, the same in every channel."""
    t = np.arange(round(seconds * rate)) / rate
    return np.tile((0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32), (channels, 1))


@keeping_priority()
def write_video(path: Path, clip: Clip) -> Path:
    """Encode `clip` into `path`; the suffix chooses the container unless `clip.format` does."""
    with av.open(str(path), "w", format=clip.format, options=clip.container_options) as container:
        video = container.add_stream(clip.codec, rate=clip.rate, options=clip.options)
        video.width, video.height, video.pix_fmt = clip.width, clip.height, clip.pix_fmt
        context = video.codec_context
        if clip.pts is not None:
            context.time_base = Fraction(1, TICKS)
        context.thread_count = 1
        if clip.gop is not None:
            context.gop_size = clip.gop
        if clip.b_frames is not None:
            context.max_b_frames = clip.b_frames
        if clip.rotation:
            video.set_display_rotation(clip.rotation)
        if clip.sound:
            _add_sound(container, clip)
        for number in range(clip.frames):
            frame = av.VideoFrame.from_ndarray(picture(number, clip.width, clip.height), format="rgb24")
            frame = frame.reformat(format=clip.pix_fmt)
            if clip.pts is not None:
                frame.pts, frame.time_base = clip.pts[number], Fraction(1, TICKS)
            else:
                frame.pts, frame.time_base = number, Fraction(1, clip.rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def _add_sound(container: av.container.OutputContainer, clip: Clip) -> None:
    audio = container.add_stream(clip.sound, rate=clip.sound_rate, layout=clip.sound_layout)
    seconds = clip.frames / clip.rate if clip.sound_seconds is None else clip.sound_seconds
    samples = tone(seconds, clip.sound_rate, audio.layout.nb_channels, clip.sound_hz)
    size = audio.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=audio.format.name, layout=clip.sound_layout, rate=clip.sound_rate)
    for start in range(0, samples.shape[1], size):
        block = np.ascontiguousarray(samples[:, start : start + size])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=clip.sound_layout)
        frame.sample_rate = clip.sound_rate
        frame.pts, frame.time_base = start + round(clip.sound_start * clip.sound_rate), Fraction(1, clip.sound_rate)
        for converted in resampler.resample(frame):
            container.mux(audio.encode(converted))
    container.mux(audio.encode(None))


def remux(
    source: Path, target: Path, *, shift_ticks: int = 0, skip_packets: int = 0, format: str | None = None
) -> Path:
    """Copy the video packets of `source`: timestamps moved by `shift_ticks`, the first `skip_packets` left out."""
    with av.open(str(source)) as reading, av.open(str(target), "w", format=format) as writing:
        video = reading.streams.video[0]
        copy = writing.add_stream_from_template(video)
        for number, packet in enumerate(packet for packet in reading.demux(video) if packet.size):
            if number < skip_packets:
                continue
            if packet.pts is not None:
                packet.pts += shift_ticks
            if packet.dts is not None:
                packet.dts += shift_ticks
            packet.stream = copy
            writing.mux(packet)
    return target


def join_ts(*parts: bytes) -> bytes:
    """MPEG transport streams one after the other, their continuity counters counting on: only the clock is set back."""
    data = bytearray(b"".join(parts))
    counters: dict[int, int] = {}
    for start in range(0, len(data), 188):
        pid = int.from_bytes(data[start + 1 : start + 3]) & 0x1FFF
        has_payload = data[start + 3] >> 4 & 1
        counter = (counters.get(pid, -1) + has_payload) % 16
        data[start + 3] = data[start + 3] & 0xF0 | counter
        counters[pid] = counter
    return bytes(data)
