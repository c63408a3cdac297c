"""The packets of a live source, of which some are left out where decoding cannot keep up.

Packets are left out up to a key frame at which decoding is in time again: of a file, the first that is not late; of a
stream, the first after all that had piled up. The decoder takes that for a hole in the stream
(`extractors.video.full_decode`). Reading alone is hundreds of times faster than decoding.
"""

from __future__ import annotations

import time
from typing import Any

import av.error
from av.packet import Packet
from av.video.stream import VideoStream
from typing_extensions import override

from extractors.live.pace import Pace
from extractors.video.media import Media
from extractors.video.packets import PacketReader


class LivePackets(PacketReader):
    """Reads `media` at the pace of a live view; `start_seconds` is the time of its first packet there.

    skipped  packets left out so far
    error    what ended the stream; None at its regular end
    """

    def __init__(
        self, media: Media, pace: Pace, start_seconds: float = 0.0, declared_end_pts: int | None = None
    ) -> None:
        super().__init__(media, declared_end_pts=declared_end_pts)
        self.skipped = 0
        self.error: av.error.FFmpegError | None = None
        self._pace, self._start_seconds = pace, start_seconds
        self._first_pts: int | None = None
        self._skipping_since: float | None = None

    @override
    def __next__(self) -> Packet[VideoStream]:
        packet = super().__next__()
        if self._first_pts is None:
            self._first_pts = _pts(packet)
        is_hole = False
        while packet.size and self._is_left_out(packet):
            self.skipped += 1
            is_hole = True
            packet = super().__next__()
        self.follows_hole |= is_hole
        return packet

    @override
    def _next_packet(self) -> Any:
        started = time.monotonic()
        try:
            return super()._next_packet()
        except (av.error.EOFError, av.error.InvalidDataError):  # the latter is damage, behind which reading goes on
            raise
        except av.error.FFmpegError as error:
            self.error = error
            raise StopIteration from None
        finally:
            self._pace.has_read(time.monotonic() - started)

    def _is_left_out(self, packet: Packet[VideoStream]) -> bool:
        if self._skipping_since is None:
            if not self._pace.is_behind:
                return False
            self._skipping_since = time.monotonic()
        if not (packet.is_keyframe and self._is_in_time(packet, self._skipping_since)):
            return True
        self._skipping_since = None
        self._pace.waited()
        return False

    def _is_in_time(self, packet: Packet[VideoStream], skipping_since: float) -> bool:
        if not self._pace.is_whole:
            return self._pace.waited_at >= skipping_since
        pts = _pts(packet)
        if pts is None or self._first_pts is None:
            return True
        seconds = self._start_seconds + (pts - self._first_pts) * self._tick_seconds
        return self._pace.due(seconds) >= time.monotonic()


def _pts(packet: Packet[VideoStream]) -> int | None:
    return packet.pts if packet.pts is not None else packet.dts
