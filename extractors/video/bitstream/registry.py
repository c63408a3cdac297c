"""The picture readers by codec."""

from __future__ import annotations

from collections.abc import Callable

from extractors.video.bitstream.av1 import Av1Reader
from extractors.video.bitstream.h264 import h264_reader
from extractors.video.bitstream.hevc import hevc_reader
from extractors.video.bitstream.mpeg import Mpeg4Reader, MpegReader
from extractors.video.bitstream.picture import INTRA, PictureReader, UnsureStructureError
from extractors.video.bitstream.vpx import read_vp8, read_vp9

# By FFmpeg's codec name; each factory takes the stream's extradata.
READERS: dict[str, Callable[[bytes | None], PictureReader]] = {
    "h264": h264_reader,
    "hevc": hevc_reader,
    "vp8": lambda _: read_vp8,
    "vp9": lambda _: read_vp9,
    "av1": lambda _: Av1Reader(),
    "mpeg1video": lambda _: MpegReader(),
    "mpeg2video": lambda _: MpegReader(),
    "mpeg4": lambda _: Mpeg4Reader(),
    **dict.fromkeys(
        ("mjpeg", "prores", "dnxhd", "huffyuv", "ffvhuff", "rawvideo", "utvideo", "v210", "jpeg2000", "cfhd"),
        lambda _: lambda _packet: INTRA,
    ),
}


def reader_for(codec_name: str, extradata: bytes | None) -> PictureReader | None:
    """A new reader for one stream; None for a codec without one or a broken decoder configuration.

    `codec_name` is the canonical FFmpeg name (`h264`, not `libx264`).
    """
    factory = READERS.get(codec_name)
    if factory is None:
        return None
    try:
        return factory(extradata)
    except (UnsureStructureError, IndexError):
        return None
