"""Conversion of decoded frames to RGB.

In: a `VideoFrame` in any pixel format. Out: uint8 (H, W, 3) RGB, upright.

The frame's own matrix (BT.601, 709, 2020) and range are honoured; where the stream names no matrix, or one that swscale
does not know, BT.601 is assumed, as in every FFmpeg-based tool. High dynamic range (PQ, HLG) is mapped to standard
range, which the networks were trained on. The rotation by quarter turns that phones record is applied.
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
    """Converts frames to RGB. Reuses swscale's tables from frame to frame; for HDR, from video to video as well."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """`frame` as uint8 (H, W, 3) RGB, a new contiguous array."""
        _replace_unsupported_colours(frame)
        try:
            rgb = self._to_rgb(frame)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            message = f"its frames have the pixel format {frame.format.name}, not convertible to RGB: {error.strerror}"
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


def _replace_unsupported_colours(frame: VideoFrame) -> None:
    """Replace colour metadata of damaged or exotic streams that swscale refuses or crashes on."""
    if frame.colorspace not in KNOWN_MATRICES:
        is_bt2020 = frame.colorspace == BT2020_CONSTANT_LUMINANCE
        frame.colorspace = BT2020_MATRIX if is_bt2020 else UNSPECIFIED_MATRIX
    if frame.color_trc in HDR_TRANSFERS and frame.color_primaries not in list(ColorPrimaries):
        frame.color_primaries = ColorPrimaries.BT2020  # nearly all HDR video is coded with these


_thread_local = threading.local()


def _hdr_reformatter() -> VideoReformatter:
    """The thread's HDR reformatter, shared by its videos: the colour tables take more than a second to compute."""
    if not hasattr(_thread_local, "hdr"):
        _thread_local.hdr = VideoReformatter()
    reformatter: VideoReformatter = _thread_local.hdr
    return reformatter
