"""Decoding every frame of a stream, and deciding when each is on screen.

The reference that selective decoding must equal, and the way out where a stream's structure is in doubt. Timestamps are
repaired the way a player would: a frame without one follows its predecessor; a frame that arrives no later than its
predecessor is never seen; a leap back by more than a second is a splice, and the clock goes on from there. So is a leap
forward of more than ten minutes beyond the length that the header tells.

Decoding goes on behind damage. After a loss, frames are taken for damaged until the next key frame: they are made from
pictures that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush

import av.error
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from extractors.video.coverage import LEAP_SECONDS
from extractors.video.groups import FIRST_NUMBER, usual_duration
from extractors.video.media import Media
from extractors.video.packets import PacketReader
from schemas.outcomes import FailureCode, VideoError

SPLICE_SECONDS = 1
STALE_SECONDS = Fraction(1, 2)  # packets without a frame are losses only where the screen stands still for longer
MAX_LOSSES = 4096  # at a time: the first few say where the gap begins
MAX_SENT = 1024
REORDERED_PICTURES = 32


@dataclass(slots=True)
class _Sent:
    """A packet that the decoder has: its place in time, and what came of it."""

    number: int | None
    stamp: int | None
    duration: int
    is_damaged: bool
    gave_frame: bool = False


class FullDecode:
    """One pass over one stream. What it has met so far:

    end_pts   when the last picture ends, in ticks, be it lost
    head_pts  when the first picture was to be seen, be it lost
    """

    def __init__(self, media: Media, packets: PacketReader, promised_pts: int | None = None) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._packets = packets
        self._decoder = stream.codec_context
        self._decoder.copy_opaque = True  # a frame then carries its packet's number
        self._timeline = _Timeline(media, promised_pts)
        self._stale_ticks = int(STALE_SECONDS / stream.time_base)
        self._sent: dict[int, _Sent] = {}
        self._losses: list[int] = []  # a heap of the moments at which lost pictures were to come
        self.head_pts: int | None = None

    @property
    def end_pts(self) -> int:
        """When the last picture ends."""
        return self._timeline.reach_pts

    def frames(self) -> Iterator[tuple[VideoFrame, int, int]]:
        """Yield (frame, pts, end_pts): from which timestamp until which an intact frame is seen.

        Without damage there is neither gap nor overlap.
        """
        timeline = self._timeline
        current: tuple[VideoFrame, int] | None = None
        has_begun = False
        for frame, sent in self._decoded():
            pts = timeline.place(frame, sent)
            if pts is None:
                continue
            if current is not None:
                yield *current, self._first_loss(current[1], pts)
            is_intact = not frame.is_corrupt and not sent.is_damaged
            if not has_begun:
                self._note_head(pts)
                has_begun = is_intact
            current = (frame, pts) if is_intact else None
        if current is not None:
            yield *current, self._first_loss(current[1], timeline.end_pts)

    def _decoded(self) -> Iterator[tuple[VideoFrame, _Sent]]:
        is_broken = False
        key_number, key_stamp = 0, None
        end_stamp: int | None = None
        for number, packet in enumerate((packet for packet in self._packets if packet.size), FIRST_NUMBER):
            stamp = self._timeline.stamp(packet)
            if self._packets.follows_hole:
                is_broken = True
                self._lose_all(end_stamp, stamp)
            if packet.is_keyframe:
                key_number, key_stamp = number, stamp if is_broken else None
                is_broken = False
            if packet.is_corrupt:
                is_broken = True
                self._lose(stamp)
            leads = key_stamp is not None and stamp is not None and stamp < key_stamp
            packet.opaque = number
            self._sent[number] = _Sent(number, stamp, packet.duration or 0, is_broken or leads)
            self._forget()
            end_stamp = self._timeline.decoding_end(packet)
            try:
                frames = self._decoder.decode(packet)
            except av.error.FFmpegError:
                is_broken = True
                self._lose(stamp)
                continue
            for frame in frames:
                sent = self._claim(frame)
                is_broken |= frame.is_corrupt and sent.number is not None and sent.number >= key_number
                yield frame, sent
        try:
            for frame in self._decoder.decode(None):
                yield frame, self._claim(frame)
        except av.error.FFmpegError:
            return

    def _claim(self, frame: VideoFrame) -> _Sent:
        sent = self._sent.get(frame.opaque) if isinstance(frame.opaque, int) else None
        if sent is None:  # decoders may fill a gap with frames of their own
            return _Sent(None, None, 0, is_damaged=False)
        sent.gave_frame = True
        return sent

    def _note_head(self, pts: int) -> None:
        """Learn that a frame came at `pts`, and none that was intact before it."""
        lost = [self.head_pts, pts, *self._losses[:1]]
        earliest = min(stamp for stamp in lost if stamp is not None)
        if not self._timeline.is_leap(earliest, pts):
            self.head_pts = earliest

    def _forget(self) -> None:
        """Keep what is known of sent packets bounded; one that has given no frame for so long is lost."""
        if len(self._sent) > MAX_SENT:
            number = next(iter(self._sent))
            sent = self._sent.pop(number)
            if not sent.gave_frame:
                self._lose(sent.stamp)

    def _lose(self, stamp: int | None) -> None:
        if stamp is None:
            stamp = self._timeline.end_pts
        if self._timeline.reach_to(stamp) and len(self._losses) < MAX_LOSSES:
            heappush(self._losses, stamp)

    def _lose_all(self, start: int | None, stop: int | None) -> None:
        """The packets from `start` to `stop` are missing. Pictures read before may be shown among the first of them."""
        if start is None or stop is None:
            self._lose(start)
            return
        for number in range(REORDERED_PICTURES):
            if start + number * self._timeline.usual_ticks < stop:
                self._lose(start + number * self._timeline.usual_ticks)

    def _first_loss(self, pts: int, end_pts: int) -> int:
        """When the picture that came at `pts` stopped being the right one, at the latest at `end_pts`."""
        until = end_pts
        while self._losses and self._losses[0] < end_pts:
            stamp = heappop(self._losses)
            if stamp > pts:
                until = min(until, stamp)
        if end_pts - pts > self._stale_ticks:
            silent = [sent.stamp for sent in self._sent.values() if not sent.gave_frame and sent.stamp is not None]
            until = min([until, *(stamp for stamp in silent if pts < stamp < end_pts)])
        return until


class _Timeline:
    def __init__(self, media: Media, promised_pts: int | None) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._has_presentation_times = media.has_presentation_times
        self._splice_ticks = int(SPLICE_SECONDS / stream.time_base)
        self._leap_ticks = int(LEAP_SECONDS / stream.time_base)
        self._promised_pts = promised_pts
        self.usual_ticks = usual_duration(stream)
        self._offset = 0
        self._latest: int | None = None
        self._latest_number: int | None = None
        self.end_pts = 0
        self.reach_pts = 0  # like `end_pts`, with lost pictures counted in

    def stamp(self, packet: Packet[VideoStream] | VideoFrame) -> int | None:
        """When a packet or frame comes on screen by its own word, in ticks of the stream."""
        stamp = packet.pts if self._has_presentation_times and packet.pts is not None else packet.dts
        return None if stamp is None else stamp + self._offset

    def decoding_end(self, packet: Packet[VideoStream]) -> int | None:
        """When the packet after `packet` should be decoded."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        return None if stamp is None else stamp + (packet.duration or 0) + self._offset

    def place(self, frame: VideoFrame, sent: _Sent) -> int | None:
        """When `frame` comes on screen, in ticks of the stream; None if it never does."""
        pts = self.stamp(frame)
        latest = self._latest
        if pts is None:
            pts = self.end_pts if latest is not None else 0
        elif latest is not None and (self._is_splice(pts, sent) or self.is_leap(self.reach_pts, pts)):
            self._offset += self.end_pts - pts
            pts = self.end_pts
        if latest is not None and pts <= latest:
            return None
        self._latest, self._latest_number = pts, sent.number
        self.end_pts = pts + (sent.duration or self.usual_ticks)
        self.reach_pts = self.end_pts if latest is None else max(self.reach_pts, self.end_pts)
        return pts

    def _is_splice(self, pts: int, sent: _Sent) -> bool:
        """Whether the clock was set back; after damage, decoders may also give a frame long after its time."""
        if self._latest is None or pts >= self._latest - self._splice_ticks:
            return False
        return sent.number is None or self._latest_number is None or sent.number > self._latest_number

    def reach_to(self, stamp: int) -> bool:
        """Learn that a picture was to come at `stamp`; returns whether that can be."""
        if self._latest is not None:
            if stamp < self._latest - self._splice_ticks or self.is_leap(self.reach_pts, stamp):
                return False
            self.reach_pts = max(self.reach_pts, stamp + self.usual_ticks)
        return True

    def is_leap(self, earlier_pts: int, pts: int) -> bool:
        """Whether that much time cannot pass between one picture and the next."""
        return pts > earlier_pts + self._leap_ticks and (self._promised_pts is None or pts > self._promised_pts)


def nothing_decoded(media: Media, max_pixels: int) -> VideoError:
    """What a video gets of which no frame came out."""
    if not media.video.codec_context.width:
        message = (
            "its pictures have no size that may be decoded: they are damaged, or have more than "
            f"{max_pixels} pixels (raise it with --max-pixels if the file is genuine)"
        )
        return VideoError(FailureCode.ABSURD_DIMENSIONS, message)
    message = "its video stream holds no frame that can be decoded: the file is damaged, or its beginning is missing"
    return VideoError(FailureCode.NO_DECODABLE_FRAME, message)
