"""Animations for pages: frames uint8 (T, H, W, 3) RGB of one size to a WebP file that repeats for ever.

Every browser plays it. A GIF would take some twenty times as many bytes, in 256 colours. Neighbours that are equal
become one frame, shown for longer.
"""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray

QUALITIES = (50, 20)  # on WebP's scale from 0 to 100
# Of a chunk, its name and size; of a frame's chunk, what stands before the picture.
HEADER_BYTES, FRAME_BYTES = 8, 16


def encode_animation(frames: NDArray[np.uint8], fps: Fraction, *, max_bytes: int) -> bytes:
    """The animation, with even sides, in the first of `QUALITIES` that fits into `max_bytes`.

    Where none does, of every second frame, of every fourth, and so on, at the same speed.

    Raises:
        ValueError: if not even one frame fits.
    """
    step = 1
    while step < 2 * len(frames):
        for quality in QUALITIES:
            content = _encoded(frames[::step], fps / step, quality)
            if len(content) <= max_bytes:
                return content
        step *= 2
    raise ValueError(f"a frame of {frames.shape[2]} x {frames.shape[1]} pixels does not fit into {max_bytes:,} bytes")


def first_frame(animation: bytes) -> bytes:
    """The first frame of an animation of ours as a file of its own: it is whole, and the others are changes to it."""
    place = animation.find(b"ANMF")
    if place < 0:
        return animation  # all frames are equal
    chunk = place + HEADER_BYTES + FRAME_BYTES  # of the picture
    size = int.from_bytes(animation[chunk + 4 : chunk + HEADER_BYTES], "little")
    picture = b"WEBP" + animation[chunk : chunk + HEADER_BYTES + size + size % 2]
    return b"RIFF" + len(picture).to_bytes(4, "little") + picture


def _encoded(frames: NDArray[np.uint8], fps: Fraction, quality: int) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=fps, options={"quality": str(quality)})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
