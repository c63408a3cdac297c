"""A decoded frame → the picture a viewer sees: (H, W, 3) uint8 RGB, upright.

The frame's own matrix (BT.601, 709, 2020) and range are honoured; where the stream names none, BT.601 is assumed, as
every FFmpeg-based tool does. High dynamic range (PQ, HLG) is brought to standard range, so that a network trained on
ordinary pictures sees one. Rotation by quarter turns is applied, as phones record it.
"""

from __future__ import annotations

import threading

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter
from numpy.typing import NDArray

HDR_TRANSFERS = frozenset({ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67})


class RgbConverter:
    """Converts frames; swscale's tables are kept between them, and for high dynamic range between videos as well."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """`frame` as (H, W, 3) uint8 RGB, a fresh contiguous array."""
        if frame.color_trc in HDR_TRANSFERS:
            rgb = _hdr_reformatter().reformat(
                frame,
                format="rgb24",
                dst_color_range=ColorRange.JPEG,
                dst_color_trc=ColorTrc.IEC61966_2_1,
                dst_color_primaries=ColorPrimaries.BT709,
                threads=1,
            )
        else:
            rgb = self._reformatter.reformat(frame, format="rgb24", dst_color_range=ColorRange.JPEG, threads=1)
        quarter_turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), quarter_turns))


_of_thread = threading.local()


def _hdr_reformatter() -> VideoReformatter:
    """This thread's own: its colour tables take more than a second to compute."""
    if not hasattr(_of_thread, "hdr"):
        _of_thread.hdr = VideoReformatter()
    reformatter: VideoReformatter = _of_thread.hdr
    return reformatter
