"""Videos that benchmarks generate and encode.

They are fit to measure how the system scales, less so its decoding speed: real content is harder to decode.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.videos import Clip, write_video

SEEDS = 4
STATIC_PICTURES = 8
FRAMES_PER_SECOND = 25


def natural_clips(folder: Path) -> list[Path]:
    """A few moving clips with B-frames and sound, in several codecs."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = {
        "h264-720p.mp4": Clip(frames=750, width=1280, height=720, options={"preset": "medium"}, sound="aac"),
        "hevc-720p.mp4": Clip("libx265", 250, width=1280, height=720, options={"x265-params": "log-level=none"}),
        "vp9-360p.webm": Clip("libvpx-vp9", 500, width=640, height=360, options={"cpu-used": "8"}, sound="libopus"),
    }
    return [write_video(folder / name, clip) for name, clip in clips.items()]


def short_clips(folder: Path, count: int, *, seconds: int = 2) -> None:
    """`count` videos of `seconds`, links to a few different ones."""
    seeds = folder.with_name(folder.name + "-seeds")
    for path in (folder, seeds):
        path.mkdir(parents=True)
    originals = [
        write_video(
            seeds / f"{seed}.mp4",
            Clip(frames=FRAMES_PER_SECOND * seconds, width=160 + 32 * seed, height=120, sound="aac"),
        )
        for seed in range(SEEDS)
    ]
    for number in range(count):
        os.link(originals[number % SEEDS], folder / f"{number:06d}.mp4")


def long_clip(path: Path, seconds: int) -> Path:
    """One 320 x 240 video whose scene changes every ten seconds, at 5 frames a second to encode it fast."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 5
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1) for _ in range(STATIC_PICTURES)]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "bf": "2"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        video.codec_context.gop_size = 250
        for number in range(seconds * rate):
            picture = pictures[number // (10 * rate) % STATIC_PICTURES]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def pictures_of(clip: Path, folder: Path) -> Path:
    """The same file without its sound, packet for packet, in `folder`."""
    folder.mkdir()
    path = folder / clip.name
    with av.open(str(clip)) as source, av.open(str(path), "w") as copy:
        video = source.streams.video[0]
        stream = copy.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path
