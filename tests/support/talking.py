"""Videos of drawn faces whose mouths move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.support.faces import DrawnFace, drawn

RATE = 25


def talking(openings: Sequence[float], **face: float) -> list[NDArray[np.uint8]]:
    """Frames, 288 x 360, of a face that opens its mouth so wide, one after the other."""
    pictures = {opening: drawn(DrawnFace(opening=opening, **face)) for opening in set(openings)}
    return [pictures[opening] for opening in openings]


def write_frames(path: Path, frames: Sequence[NDArray[np.uint8]], rate: int = RATE, codec: str = "mpeg4") -> Path:
    """A video of these frames; `ffv1` loses nothing but colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"qscale": "3"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path
