"""JPEG encoding and decoding of image batches with FFmpeg's MJPEG codec: uint8 (N, H, W, C), all of one size.

Images are RGB, or optical flow of 2 channels: motion to the right is stored as luma, motion downwards as Cb.

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
FLOW_CHANNELS = 2
NEUTRAL = 128  # chroma
QUALITY = 3  # on FFmpeg's scale from 1 (best) to 31


def encode_jpegs(images: NDArray[np.uint8], *, quality: int = QUALITY) -> list[bytes]:
    """Encode images (N, H, W, C) as N JPEGs."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = images.shape[1:3]
    encoder.pix_fmt = PIXEL_FORMAT
    encoder.thread_count = 1
    encoder.options = {"qmin": str(quality), "qmax": str(quality)}
    encoder.time_base = Fraction(1)  # required by the encoder, without meaning for still images
    to_yuv = VideoReformatter()
    packets = []
    for number, image in enumerate(np.ascontiguousarray(images)):
        if images.shape[3] == FLOW_CHANNELS:
            planes = np.stack([image[..., 0], image[..., 1], np.full(image.shape[:2], NEUTRAL, np.uint8)])
            frame = av.VideoFrame.from_ndarray(planes, format=PIXEL_FORMAT)
            frame.color_range = ColorRange.JPEG
        else:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = to_yuv.reformat(
                frame, format=PIXEL_FORMAT, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.JPEG, threads=1
            )
        frame.pts = number
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def decode_jpegs(jpegs: Sequence[bytes], *, channels: int = 3, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode N JPEGs of one size to images (N, H, W, C): RGB, or optical flow of 2 `channels`.

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
            _flow(frame)
            if channels == FLOW_CHANNELS
            else to_rgb.reformat(
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


def _flow(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The two planes of flow, (H, W, 2)."""
    if frame.format.name.replace("yuvj", "yuv") != "yuv444p":
        raise ValueError(f"a JPEG of {frame.format.name} is not optical flow")
    planes = frame.to_ndarray()  # (3, H, W)
    return np.stack([planes[0], planes[1]], axis=-1).astype(np.uint8, copy=False)


def _decoded(decoder: VideoCodecContext, jpegs: Iterable[bytes]) -> Iterable[av.VideoFrame]:
    for jpeg in jpegs:
        yield from decoder.decode(Packet(jpeg))
    yield from decoder.decode(None)
