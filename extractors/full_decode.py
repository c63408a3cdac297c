"""Decoding every frame of a stream, and deciding when each is on screen.

The reference that selective decoding must equal, and the way out where a stream's structure is in doubt. Timestamps are
repaired the way a player would: a frame without one follows its predecessor; a frame that arrives no later than its
predecessor is never seen; a leap back by more than a second is a splice, and the clock goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from extractors.groups import usual_duration
from extractors.media import Media

SPLICE_SECONDS = 1


def shown_frames(media: Media, packets: Iterable[Packet[VideoStream]]) -> Iterator[tuple[VideoFrame, int, int]]:
    """Yield (frame, pts, end_pts): from which timestamp until which the frame is seen, without gap or overlap."""
    timeline = _Timeline(media)
    current: tuple[VideoFrame, int] | None = None
    for frame in _decoded_frames(media, packets):
        pts = timeline.place(frame)
        if pts is None:
            continue
        if current is not None:
            yield *current, pts
        current = frame, pts
    if current is not None:
        yield *current, timeline.end_pts


def _decoded_frames(media: Media, packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
    decoder = media.video.codec_context
    decoder.copy_opaque = True  # a frame then carries its packet's duration
    for packet in packets:
        if not packet.size:
            continue
        packet.opaque = packet.duration
        try:
            yield from decoder.decode(packet)
        except av.error.FFmpegError:
            continue  # a damaged packet costs its own frame, as in a player
    try:
        yield from decoder.decode(None)
    except av.error.FFmpegError:
        return


class _Timeline:
    def __init__(self, media: Media) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._has_presentation_times = media.has_presentation_times
        self._splice_ticks = int(SPLICE_SECONDS / stream.time_base)
        self._usual_ticks = usual_duration(stream)
        self._offset = 0
        self._latest: int | None = None
        self.end_pts = 0

    def place(self, frame: VideoFrame) -> int | None:
        """When `frame` comes on screen, in ticks of the stream; None if it never does."""
        stamp = frame.pts if self._has_presentation_times and frame.pts is not None else frame.dts
        latest = self._latest
        duration = frame.opaque if isinstance(frame.opaque, int) else 0
        if stamp is None:
            pts = self.end_pts if latest is not None else 0
        else:
            pts = stamp + self._offset
            if latest is not None and pts < latest - self._splice_ticks:
                self._offset += self.end_pts - pts
                pts = self.end_pts
        if latest is not None and pts <= latest:
            return None
        self._latest = pts
        self.end_pts = pts + (duration or self._usual_ticks)
        return pts
