"""Whether the memory of a worker depends on the length of a video: 1, 5 and 24 hours in each container.

    python benchmarks/long_videos.py [--hours 1 5 24] [--containers ts avi] [--json FILE]

The videos repeat five minutes of small pictures at 1 frame/s and mono sound at 8 or 16 kHz. They are extracted as a
worker does it, except that no network runs: the embedding of a picture is its mean, that of a window its first samples.
Prints the peak of the process beyond what it holds before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from benchmarks.measure import write_json
from extractors.embedder_config import AudioEmbedderConfig, FrameEmbedderConfig
from extractors.embedders import AudioEmbedder, FrameEmbedder
from extractors.extract import Extractor
from extractors.sampling import SamplingConfig
from extractors.weights.resolve import ResolvedWeights
from schemas.videos import Video
from tests.support.memory import memory_growth
from tests.support.videos import picture, tone

PERIOD_SECONDS = 300
WIDTH, HEIGHT = 96, 48


@dataclass(frozen=True)
class Container:
    """Codecs and the rate of the sound that a container takes."""

    video: str
    audio: str
    rate_hz: int = 8_000


CONTAINERS = {
    "ts": Container("libx264", "aac"),
    "mpg": Container("libx264", "mp2", 16_000),
    "flv": Container("libx264", "aac"),
    "avi": Container("mpeg4", "libmp3lame"),
    "nut": Container("mpeg4", "libmp3lame"),
    "mkv": Container("libx264", "aac"),
    "mp4": Container("libx264", "aac"),
}


class Brightness(FrameEmbedder):
    """The mean of a picture."""

    def embed_stream(self, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Frames to (N, D)."""
        return np.array([np.full(self.dim, frame.mean(), np.float32) for frame in frames])


class FirstSamples(AudioEmbedder):
    """The first samples of a window."""

    def embed_stream(self, blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Windows to (N, 128)."""
        return np.concatenate([np.zeros((0, self.dim), np.float32), *(block[:, : self.dim] for block in blocks)])


def write_long(path: Path, hours: float) -> Path:
    """Encode five minutes, and repeat their packets."""
    kind = CONTAINERS[path.suffix[1:]]
    with av.open(str(path), "w") as container:
        video = container.add_stream(kind.video, rate=1)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.max_b_frames, video.codec_context.gop_size = 0, 60
        audio = container.add_stream(kind.audio, rate=kind.rate_hz, layout="mono")
        assert isinstance(audio, av.AudioStream)
        audio.codec_context.bit_rate = 16_000
        container.start_encoding()
        streams = _repeated(video, *_pictures(video)), _repeated(audio, *_sound(audio))
        for seconds, packet in merge(*streams, key=lambda item: item[0]):
            if seconds >= hours * 3600:
                return path
            container.mux(packet)
    raise AssertionError("packets repeat for ever")


def _repeated(stream: Any, packets: list[Packet[Any]], period: Fraction) -> Iterator[tuple[Fraction, Packet[Any]]]:
    """Packets over and over, every `period` seconds, with the time of each."""
    coded = [(bytes(packet), packet.pts, packet.dts, packet.time_base, packet.is_keyframe) for packet in packets]
    for number in count():
        for data, pts, dts, tick, is_keyframe in coded:
            assert pts is not None
            assert dts is not None
            packet, ticks = Packet(data), round(number * period / tick)
            packet.stream, packet.time_base, packet.is_keyframe = stream, tick, is_keyframe
            packet.pts, packet.dts = pts + ticks, dts + ticks
            yield (dts + ticks) * tick, packet


def _pictures(stream: av.VideoStream) -> tuple[list[Packet[Any]], Fraction]:
    packets = []
    for second in range(PERIOD_SECONDS):
        frame = av.VideoFrame.from_ndarray(picture(second, WIDTH, HEIGHT), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = second, Fraction(1)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)], Fraction(PERIOD_SECONDS)


def _sound(stream: av.AudioStream) -> tuple[list[Packet[Any]], Fraction]:
    rate, size = stream.rate, stream.codec_context.frame_size
    samples = tone(PERIOD_SECONDS, rate, 1, 440.0)
    resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
    packets = []
    for start in range(0, samples.shape[1] - size, size):
        block = np.ascontiguousarray(samples[:, start : start + size])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        packets += [packet for converted in resampler.resample(frame) for packet in stream.encode(converted)]
    return packets, Fraction(len(packets) * size, rate)


def peak_bytes(path: Path) -> int:
    """The memory that extracting `path` takes at most, segment after segment."""
    frames = FrameEmbedderConfig(
        ResolvedWeights("frames", "random:0", seed=0), ResolvedWeights("frame-pca", "random:0", seed=0)
    )
    sound = AudioEmbedderConfig(ResolvedWeights("sound", "random:0", seed=0))
    extractor = Extractor(SamplingConfig(frame_features=True), Brightness(frames), FirstSamples(sound))
    video = Video(path.stem, str(path))
    with memory_growth() as growth:
        _, others = extractor(path, video)
        for segment in others:
            extractor(path, video, segment)
    return growth.bytes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, nargs="+", default=(1, 5, 24))
    parser.add_argument("--containers", nargs="+", choices=CONTAINERS, default=list(CONTAINERS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    peaks: dict[str, dict[str, int]] = {}
    # A process for each, so that none starts with memory that another one has freed.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for container in arguments.containers:
            peaks[container] = {}
            for hours in arguments.hours:
                with tempfile.TemporaryDirectory() as folder:
                    path = write_long(Path(folder, f"long.{container}"), hours)
                    peak = peaks[container][f"{hours:g}"] = pool.apply(peak_bytes, (path,))
                print(f"{container:>4} {hours:5g} hours: {peak / 2**20:5.0f} MiB", flush=True)
    write_json(arguments.json, {"peak_bytes": peaks})


if __name__ == "__main__":
    main()
