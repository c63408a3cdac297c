"""Sampled frames of one video."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from extractors.video.decode import sample_frames
from extractors.video.grid import as_fps
from framemill.inputs import local_video
from schemas.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The frame on screen at one sampling time.

    Attributes:
        seconds: The sampling time, after the first frame: k / fps.
        image: RGB pixels, uint8 of shape (height, width, 3); the same array at all times with the same frame.
    """

    seconds: float
    image: NDArray[np.uint8]


def sample(
    path: str | os.PathLike[str],
    fps: int | float | str | Fraction = 1,
    *,
    start_seconds: int | float | str | Fraction = 0,
    end_seconds: int | float | str | Fraction | None = None,
) -> Iterator[Frame]:
    """The frames on screen k / fps seconds after the first one, for k = 0, 1, 2, …, as they are decoded.

    They are selected by timestamp, and bit-identical to those of a full decode; only the packets that they depend on
    are decoded.

    Args:
        path: A local video file, in any container and codec that FFmpeg reads.
        fps: Sampling rate in frames a second; `"30000/1001"` is exact.
        start_seconds: Leaves out sampling times before this one, in seconds after the first frame.
        end_seconds: Leaves out this time and those after it.

    Raises:
        InputError: If a number is none, or the video is on another machine.
        VideoError: If the file cannot be read, or has no frame that can be decoded.

    Example:
        >>> import framemill
        >>> [(frame.seconds, frame.image.shape) for frame in framemill.sample(video, fps=2)]
        [(0.0, (36, 48, 3)), (0.5, (36, 48, 3)), (1.0, (36, 48, 3)), (1.5, (36, 48, 3))]
    """
    try:
        rate, start = as_fps(fps), Fraction(str(start_seconds))
        end = None if end_seconds is None else Fraction(str(end_seconds))  # as it is written: 0.1 is a tenth
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"fps, start_seconds and end_seconds are numbers of seconds: {error}") from error
    samples = sample_frames(local_video(path), rate, start_seconds=start, end_seconds=end)
    return (Frame(float(found.seconds), found.image) for found in samples)
