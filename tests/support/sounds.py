"""Tiny real videos with a given waveform as their sound track."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.support.videos import picture

BLOCK = 960


@dataclass(frozen=True)
class Track:
    """How a waveform is encoded. `pieces` are (start in seconds, samples (channels, N) in [-1, 1])."""

    pieces: tuple[tuple[float, NDArray[np.float32]], ...]
    codec: str = "pcm_s16le"
    rate: int = 48_000
    layout: str = "mono"


def write_with_sound(
    path: Path, track: Track | None, *others: Track, seconds: int, start: float = 0.0, rate: int = 5
) -> Path:
    """A video of `seconds` whose first frame is shown at `start` on the container's clock, and tracks beside it."""
    with av.open(str(path), "w") as container:
        codec = "libx264" if path.suffix != ".avi" else "mpeg4"
        video = container.add_stream(codec, rate=rate, options={"g": str(2 * rate), "bf": "0"})
        video.width, video.height, video.pix_fmt = 96, 48, "yuv420p"
        video.codec_context.thread_count = 1
        if track:
            container.mux([packet for one in (track, *others) for packet in sound_packets(container, one)])
        for number in range(seconds * rate):
            frame = av.VideoFrame.from_ndarray(picture(number, 96, 48), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number + round(start * rate), Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def sound_packets(container: av.container.OutputContainer, track: Track) -> list[av.Packet]:
    """Add a stream for `track` to `container` and encode it."""
    stream = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
    block = stream.codec_context.frame_size or BLOCK
    resampler = av.AudioResampler(format=stream.format.name, layout=track.layout, rate=track.rate)
    packets: list[av.Packet] = []
    for start, samples in track.pieces:
        for first in range(0, samples.shape[1], block):
            part = np.ascontiguousarray(samples[:, first : first + block].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=track.layout)
            frame.sample_rate = track.rate
            frame.pts, frame.time_base = first + round(start * track.rate), Fraction(1, track.rate)
            for converted in resampler.resample(frame):
                packets += stream.encode(converted)
    return packets + stream.encode(None)
