"""Videos to cut, and what is in a file: frames with their times, decoded one by one without what is tested."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, cycle, islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from extractors.cutting.frame_list import FrameList
from extractors.cutting.span import Span
from tests.support.videos import Clip

# Distances between frames that vary, in 1/90,000 s.
VARIABLE = tuple(islice(accumulate(cycle((3003, 3003, 6006, 1500, 9009)), initial=0), 100))
CLIPS = {
    "b_frames.mp4": Clip(b_frames=2, gop=30, sound="aac", frames=100),
    "variable.mkv": Clip(b_frames=2, gop=25, pts=VARIABLE, sound="libopus", sound_rate=48_000),
    "variable.mp4": Clip(b_frames=2, gop=25, pts=VARIABLE),
    "offset.ts": Clip(b_frames=2, gop=30, sound="aac", format="mpegts"),
    "plain.avi": Clip(codec="mpeg4", gop=12, frames=60),
}


def shown(path: Path) -> list[tuple[Fraction, NDArray[np.uint8]]]:
    """The frames of a file: seconds after the first, and uint8 (H, W, 3), not turned."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.time_base is not None
        frames = [(frame.pts, frame.to_ndarray(format="rgb24")) for frame in container.decode(video)]
        origin = frames[0][0]
        return [((pts - origin) * video.time_base, image) for pts, image in frames]


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The mean difference in grey levels."""
    return float(np.abs(one.astype(int) - other).mean())


def span_of(frames: FrameList, first: int, last: int, path: Path) -> Span:
    """Frames `first` to `last`, both included."""
    start, end = frames.pts_of(first), frames.pts_of(last + 1)
    return Span(start, end, tuple(frames.timestamps[first : last + 1]), path)
