"""Pictures ↔ JPEG bytes, by FFmpeg's own codec: uint8 (N, H, W, 3) RGB, all of one size.

Colours are not subsampled: small pictures made from large ones have as much of them as of brightness. At the default
quality the mean error of natural pictures is about one grey level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

PIXELS = "yuvj444p"
QUALITY = 3  # FFmpeg's scale, from 1, the best, to 31


def encode_jpegs(images: NDArray[np.uint8], *, quality: int = QUALITY) -> list[bytes]:
    """Each of the pictures (N, H, W, 3) as a JPEG."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = images.shape[1:3]
    encoder.pix_fmt = PIXELS
    encoder.thread_count = 1
    encoder.options = {"qmin": str(quality), "qmax": str(quality)}
    encoder.time_base = Fraction(1)  # any will do: still pictures have no clock
    to_yuv = VideoReformatter()
    packets = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = to_yuv.reformat(
            frame, format=PIXELS, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.JPEG, threads=1
        )
        frame.pts = number
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def decode_jpegs(jpegs: Sequence[bytes]) -> NDArray[np.uint8]:
    """JPEGs of one size as pictures (N, H, W, 3).

    Raises:
        ValueError: for bytes that are no JPEG, or pictures of different sizes.
    """
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    to_rgb = VideoReformatter()
    try:
        images = [
            to_rgb.reformat(
                frame, format="rgb24", src_colorspace=Colorspace.ITU601, src_color_range=ColorRange.JPEG, threads=1
            ).to_ndarray()
            for frame in _decoded(decoder, jpegs)
        ]
    except av.error.FFmpegError as error:
        raise ValueError(f"what should be a JPEG cannot be decoded: {error}") from error
    if len(images) != len(jpegs) or len({image.shape for image in images}) != 1:
        raise ValueError(f"{len(jpegs)} JPEGs gave {len(images)} pictures, or some of other sizes")
    return np.stack(images)


def _decoded(decoder: VideoCodecContext, jpegs: Iterable[bytes]) -> Iterable[av.VideoFrame]:
    for jpeg in jpegs:
        yield from decoder.decode(Packet(jpeg))
    yield from decoder.decode(None)
