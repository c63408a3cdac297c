"""Sampled frames of one video."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from extractors.video.decode import sample_frames
from framemill.inputs import local_video


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
    start_seconds: float = 0,
    end_seconds: float | None = None,
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
        VideoError: If the file cannot be read, or has no frame that can be decoded.

    Example:
        >>> import framemill
        >>> [(frame.seconds, frame.image.shape) for frame in framemill.sample(video, fps=2)]
        [(0.0, (36, 48, 3)), (0.5, (36, 48, 3)), (1.0, (36, 48, 3)), (1.5, (36, 48, 3))]
    """
    samples = sample_frames(
        local_video(path),
        fps,
        start_seconds=Fraction(start_seconds),
        end_seconds=None if end_seconds is None else Fraction(end_seconds),
    )
    return (Frame(float(found.seconds), found.image) for found in samples)
