"""Metadata of a video: duration, frame size, rate, codecs. Read from its headers or, where they lack it, its packets.

In: a path or a seekable binary file object. Out: `VideoInfo`. Nothing is decoded.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import END_TIME_FORMATS, is_plausible
from extractors.video.frame_rate import frame_rate, is_raw, nominal_duration
from extractors.video.groups import read_groups
from extractors.video.media import MAX_PIXELS, Media, Source, open_media
from extractors.video.seek import can_seek


@dataclass(frozen=True)
class VideoInfo:
    """Metadata of one video.

    duration_seconds     length of the video track; an estimate for joined recordings (`extractors.video.splices`):
                         headers know of one part, or of the first and last timestamp
    width, height        of the coded frame, before rotation, in pixels
    fps                  average frame rate; 0 if the container does not state it, 25 if a raw stream does not
    codec                of the video track, by FFmpeg's name
    first_frame_seconds  timestamp of the first frame, on the container's clock
    size_bytes           of the file; 0 if unknown
    can_seek             whether a segment can be reached without reading everything before it
    """

    duration_seconds: Fraction
    width: int
    height: int
    fps: Fraction
    codec: str
    has_audio: bool
    audio_codec: str | None
    first_frame_seconds: Fraction
    size_bytes: int
    can_seek: bool


def probe(source: Source, *, max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Describe `source`, a path or a seekable binary file object; raises `VideoError` as `open_media` does."""
    with open_media(source, max_pixels=max_pixels) as media:
        return describe(media, size_bytes(source))


def describe(media: Media, size_bytes: int) -> VideoInfo:
    """Describe an open file; reads its first packets, or all of them if the header has no duration."""
    video = media.video
    assert video.time_base is not None
    context = video.codec_context
    packets = _Packets(media)
    first_pts = _first_pts(media, packets)
    duration = header_duration(media)
    if duration is None:
        duration = max(0, packets.read_to_end() - first_pts) * video.time_base
    return VideoInfo(
        duration_seconds=duration,
        width=context.width,
        height=context.height,
        fps=frame_rate(media) or Fraction(0),
        codec=context.codec.canonical_name,
        has_audio=media.audio is not None,
        audio_codec=media.audio.codec_context.codec.canonical_name if media.audio is not None else None,
        first_frame_seconds=first_pts * video.time_base,
        size_bytes=size_bytes,
        can_seek=can_seek(media),
    )


def header_duration(media: Media) -> Fraction | None:
    """The duration in the headers in seconds; None if it is missing or implausible."""
    video, container = media.video, media.container
    if is_raw(media):  # there is no header; what libav gives for some is a mistake
        return None
    if video.duration and video.time_base:
        seconds, start_seconds = video.duration * video.time_base, (video.start_time or 0) * video.time_base
    elif container.duration:
        seconds, start_seconds = (
            Fraction(container.duration, av.time_base),
            Fraction(container.start_time or 0, av.time_base),
        )
    else:
        return None
    if media.format in END_TIME_FORMATS:
        seconds -= start_seconds
    return seconds if seconds > 0 and is_plausible(media, seconds) else None


class _Packets:
    """The video's packets, in one pass, with the end time of those read so far; a raw stream's follow each other."""

    def __init__(self, media: Media) -> None:
        self._untimed_ticks = nominal_duration(media) if is_raw(media) else 0
        self._has_presentation_times = media.has_presentation_times
        self._packets: Iterator[Any] = media.container.demux(media.video)
        self._end_pts = media.video.start_time or 0

    def __iter__(self) -> Iterator[Packet[VideoStream]]:
        return self

    def __next__(self) -> Packet[VideoStream]:
        packet: Packet[VideoStream] = next(self._packets)
        stamp = packet.pts if self._has_presentation_times and packet.pts is not None else packet.dts
        if stamp is None:
            self._end_pts += self._untimed_ticks if packet.size else 0
        else:
            self._end_pts = max(self._end_pts, stamp + (packet.duration or 0))
        return packet

    def read_to_end(self) -> int:
        """Read the remaining packets; returns the end of the last frame in ticks."""
        # If the end of the file is damaged, the readable part gives the duration.
        with contextlib.suppress(av.error.FFmpegError, IndexError):
            deque(self, maxlen=0)
        return self._end_pts


def _first_pts(media: Media, packets: _Packets) -> int:
    try:
        group, _ = next(read_groups(media, packets))
        return group.shown()[0].pts
    except (UnsureStructureError, StopIteration, IndexError, av.error.FFmpegError):
        return media.video.start_time or 0


def size_bytes(source: Source) -> int:
    """The size of the file; keeps the position of a file object."""
    if isinstance(source, str | os.PathLike):
        return os.stat(source).st_size
    position = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(position)
    return size
