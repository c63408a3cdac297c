"""Conversion of decoded frames to RGB.

In: a `VideoFrame` in any pixel format. Out: uint8 (H, W, 3) RGB, cropped and upright as a player shows it.

The frame's own matrix (BT.601, 709, 2020) and range are honoured; where the stream names no matrix, or one that swscale
does not know, BT.601 is assumed, as in every FFmpeg-based tool. High dynamic range (PQ, HLG) is mapped to standard
range, which the networks were trained on. The orientation is that of the display matrix, whether it comes from the
container or from the stream: one of eight, quarter turns with or without a reflection. Where the stream repeats it at
key frames alone, it holds until the next one.
"""

from __future__ import annotations

import threading
from typing import Any

import av.error
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter
from numpy.typing import NDArray

from extractors.video.cropping import Crop
from schemas.outcomes import FailureCode, VideoError

HDR_TRANSFERS = frozenset({ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67})
# Matrix coefficients by their numbers in ITU-T H.273.
UNSPECIFIED_MATRIX, BT2020_MATRIX, BT2020_CONSTANT_LUMINANCE = 2, 9, 10
KNOWN_MATRICES = frozenset({0, 1, UNSPECIFIED_MATRIX, 4, 5, 6, 7, BT2020_MATRIX})

# a, b, c, d: a pixel at (x, y) is shown at (a x + c y, b x + d y), up to a shift and a scale.
DisplayMatrix = tuple[int, int, int, int]
# Counterclockwise, by their number.
QUARTER_TURNS = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


class RgbConverter:
    """Converts frames to RGB. Reuses swscale's tables from frame to frame; for HDR, from video to video as well.

    `crop` is applied before the display matrix.
    """

    def __init__(self, crop: Crop | None = None) -> None:
        self._crop = crop
        self._matrix: DisplayMatrix | None = None  # of the latest key frame
        self._reformatter = VideoReformatter()

    def follow(self, frame: VideoFrame) -> None:
        """Note the orientation of a key frame; to be called for all frames, in the order of presentation."""
        if frame.key_frame:
            self._matrix = display_matrix(frame)

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """`frame` as uint8 (H, W, 3) RGB, a new contiguous array."""
        _replace_unsupported_colours(frame)
        try:
            converted = self._to_rgb(frame)
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            message = f"its frames have the pixel format {frame.format.name}, not convertible to RGB: {error.strerror}"
            raise VideoError(FailureCode.UNSUPPORTED_CODEC, message) from error
        rgb = np.asarray(converted.to_ndarray(), np.uint8)
        if self._crop is not None:
            rgb = self._crop(rgb)
        matrix = display_matrix(frame) or self._matrix
        return np.ascontiguousarray(rgb if matrix is None else _upright(rgb, matrix))

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


def display_matrix(frame: VideoFrame) -> DisplayMatrix | None:
    """The matrix that comes with a frame; None without one. Its numbers are in units of their own."""
    try:
        # Not `frame.side_data`: the frame keeps that, and that the frame, with all buffers of its decoder, until Python
        # looks for cycles.
        data: Any = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    except ValueError:  # PyAV 18 refuses all side data of a frame where it does not know some
        return QUARTER_TURNS[round(frame.rotation / 90) % 4]
    if data is None:
        return None
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    return a, b, c, d


def _upright(rgb: NDArray[np.uint8], matrix: DisplayMatrix) -> NDArray[np.uint8]:
    """`rgb` (H, W, 3) as `matrix` places it; angles between quarter turns are rounded."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        a, d, rgb = c, b, rgb.transpose(1, 0, 2)  # (W, H, 3)
    return rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


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
