"""Makers of files whose headers claim much more than they hold: a second a byte, which is the most that is believed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.boxes import box
from tests.support.videos import TICKS, Clip, picture, write_video

WIDTH, HEIGHT = 96, 48


def long_mp4(path: Path, seconds: int, pictures: int = 2) -> Path:
    """An MP4 of `seconds` seconds and as many bytes, in which each of a few pictures stays for hours or days."""
    pts = [number * seconds // pictures * TICKS for number in range(pictures)]
    last = (seconds - 1) * TICKS  # MP4 has no duration for the last picture
    options = {"video_track_timescale": "1"}
    size = {"width": WIDTH, "height": HEIGHT}
    write_video(path, Clip(frames=pictures + 1, **size, b_frames=0, pts=[*pts, last], container_options=options))
    return _append(path, box(b"free", bytes(seconds - path.stat().st_size - 8)))


def long_avi(path: Path, seconds: int, pictures: int = 2) -> Path:
    """The same as an AVI, which has to be read from its start to its end."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(pictures, seconds))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(picture(number, WIDTH, HEIGHT), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(seconds, pictures)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    size = seconds - path.stat().st_size - 8
    return _append(path, b"JUNK" + size.to_bytes(4, "little") + bytes(size))


def many_streams(path: Path, count: int) -> Path:
    """A file of `count` streams, all sound but for the last one, which is a picture."""
    with av.open(str(path), "w") as container:
        sounds = [container.add_stream("pcm_s16le", rate=8_000, layout="mono") for _ in range(count - 1)]
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for sound in sounds:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            silence.sample_rate = 8_000
            container.mux(sound.encode(silence))
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(picture(number, WIDTH, HEIGHT), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def _append(path: Path, padding: bytes) -> Path:
    with path.open("ab") as file:
        file.write(padding)
    return path
