"""JPEG encoding and decoding of image batches with FFmpeg's MJPEG codec: uint8 (N, H, W, 3) RGB, all of one size.

Chroma is not subsampled (4:4:4): images downscaled from large ones carry as much detail in chroma as in luma. At the
default quality the mean error on natural images is about one grey level.
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

from extractors.video.media import MAX_PIXELS

PIXEL_FORMAT = "yuvj444p"
QUALITY = 3  # on FFmpeg's scale from 1 (best) to 31


def encode_jpegs(images: NDArray[np.uint8], *, quality: int = QUALITY) -> list[bytes]:
    """Encode images (N, H, W, 3) as N JPEGs."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = images.shape[1:3]
    encoder.pix_fmt = PIXEL_FORMAT
    encoder.thread_count = 1
    encoder.options = {"qmin": str(quality), "qmax": str(quality)}
    encoder.time_base = Fraction(1)  # required by the encoder, without meaning for still images
    to_yuv = VideoReformatter()
    packets = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = to_yuv.reformat(
            frame, format=PIXEL_FORMAT, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.JPEG, threads=1
        )
        frame.pts = number
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def decode_jpegs(jpegs: Sequence[bytes], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode N JPEGs of one size to images (N, H, W, 3).

    Raises:
        ValueError: if any of them is not a JPEG, or has more than `max_pixels`, or their sizes differ.
    """
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(max_pixels)}
    to_rgb = VideoReformatter()
    try:
        images = [
            to_rgb.reformat(
                frame, format="rgb24", src_colorspace=Colorspace.ITU601, src_color_range=ColorRange.JPEG, threads=1
            ).to_ndarray()
            for frame in _decoded(decoder, jpegs)
        ]
    except av.error.FFmpegError as error:
        raise ValueError(f"invalid JPEG data: {error}") from error
    sizes = sorted({f"{image.shape[1]} x {image.shape[0]}" for image in images})
    if len(images) != len(jpegs) or len(sizes) != 1:
        raise ValueError(f"{len(jpegs)} JPEGs gave {len(images)} images of sizes {', '.join(sizes)}; need one size")
    return np.stack(images)


def _decoded(decoder: VideoCodecContext, jpegs: Iterable[bytes]) -> Iterable[av.VideoFrame]:
    for jpeg in jpegs:
        yield from decoder.decode(Packet(jpeg))
    yield from decoder.decode(None)
