"""A decoded frame → the picture a viewer sees: (H, W, 3) uint8 RGB, upright.

The frame's own matrix (BT.601, 709, 2020) and range are honoured; where the stream names none, or one that swscale does
not know, BT.601 is assumed, as every FFmpeg-based tool does. High dynamic range (PQ, HLG) is brought to standard range,
so that a network trained on ordinary pictures sees one. Rotation by quarter turns is applied, as phones record it.
"""

from __future__ import annotations

import threading

import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter
from numpy.typing import NDArray

from schemas.outcomes import FailureCode, VideoError

HDR_TRANSFERS = frozenset({ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67})
# Matrix coefficients by their numbers in ITU-T H.273.
UNSPECIFIED_MATRIX, BT2020_MATRIX, BT2020_CONSTANT_LUMINANCE = 2, 9, 10
KNOWN_MATRICES = frozenset({0, 1, UNSPECIFIED_MATRIX, 4, 5, 6, 7, BT2020_MATRIX})


class RgbConverter:
    """Converts frames; swscale's tables are kept between them, and for high dynamic range between videos as well."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """`frame` as (H, W, 3) uint8 RGB, a fresh contiguous array."""
        _name_colours(frame)
        try:
            rgb = self._to_rgb(frame)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            message = f"its pictures, of pixel format {frame.format.name}, cannot be converted to RGB: {error.strerror}"
            raise VideoError(FailureCode.UNSUPPORTED_CODEC, message) from error
        quarter_turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), quarter_turns))

    def _to_rgb(self, frame: VideoFrame) -> VideoFrame:
        if frame.color_trc in HDR_TRANSFERS:
            return _hdr_reformatter().reformat(
                frame,
                format="rgb24",
                dst_color_range=ColorRange.JPEG,
                dst_color_trc=ColorTrc.IEC61966_2_1,
                dst_color_primaries=ColorPrimaries.BT709,
                threads=1,
            )
        return self._reformatter.reformat(frame, format="rgb24", dst_color_range=ColorRange.JPEG, threads=1)


def _name_colours(frame: VideoFrame) -> None:
    """Replace what a damaged or exotic stream says of its colours: swscale refuses it, or crashes."""
    if frame.colorspace not in KNOWN_MATRICES:
        is_bt2020 = frame.colorspace == BT2020_CONSTANT_LUMINANCE
        frame.colorspace = BT2020_MATRIX if is_bt2020 else UNSPECIFIED_MATRIX
    if frame.color_trc in HDR_TRANSFERS and frame.color_primaries not in list(ColorPrimaries):
        frame.color_primaries = ColorPrimaries.BT2020  # what high dynamic range is nearly always coded with


_of_thread = threading.local()


def _hdr_reformatter() -> VideoReformatter:
    """This thread's own: its colour tables take more than a second to compute."""
    if not hasattr(_of_thread, "hdr"):
        _of_thread.hdr = VideoReformatter()
    reformatter: VideoReformatter = _of_thread.hdr
    return reformatter
