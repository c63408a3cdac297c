"""Full decoding: every frame of a stream, with the time span in which it is on screen.

The reference for selective decoding, and the fallback for streams of uncertain structure. Timestamps are repaired as a
player would: a frame without one follows its predecessor, at the frame rate of a raw stream; a frame no later than its
predecessor is never shown. A part of a spliced file that starts with a key frame gets a fresh decoder; without one, its
clock may have leaped while the encoder went on.

Decoding continues after damage. From a loss to the next key frame, frames count as damaged: their references are
missing. So do those before the first key frame, where a recording was cut: most decoders drop them in silence, some
(`GREY_START`) show them on grey.
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

from extractors.video.coverage import JUMP_SECONDS
from extractors.video.frame_rate import is_raw, nominal_duration
from extractors.video.groups import FIRST_NUMBER
from extractors.video.media import Media
from extractors.video.packets import PacketReader
from extractors.video.splices import SPLICE_SECONDS
from schemas.outcomes import FailureCode, VideoError

FREEZE_SECONDS = Fraction(1, 2)  # packets without a frame count as lost only where the screen is frozen for longer
MAX_LOSSES = 4096  # kept at a time: the first few locate the start of a gap
MAX_SENT = 1024
REORDERED_PICTURES = 32
# Decoders that start with any frame, on a grey picture; the others wait for a key frame or fail until one.
GREY_START = ("mpeg4", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "flv1", "cinepak", "flashsv")
STREAM_FORMATS = ("mpegts", "mpeg", "h264", "hevc")  # in which the size of frames is in the stream alone


@dataclass(slots=True)
class _SentPacket:
    """A packet sent to the decoder: its timestamp and duration in ticks, and its outcome."""

    number: int
    pts: int | None
    duration: int
    is_damaged: bool
    gave_frame: bool = False


class FullDecode:
    """One pass over one stream; the following hold for what was decoded so far, in ticks:

    end_pts   end of the last frame, lost ones included
    head_pts  timestamp of the first frame, lost ones included; None without an intact frame
    """

    def __init__(self, media: Media, packets: PacketReader, declared_end_pts: int | None = None) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._packets = packets
        self._decoder = stream.codec_context
        self._decoder.copy_opaque = True  # frames then carry the number of their packet
        self._timeline = _Timeline(media, declared_end_pts)
        self._freeze_ticks = int(FREEZE_SECONDS / stream.time_base)
        self._sent: dict[int, _SentPacket] = {}
        self._losses: list[int] = []  # a heap of the timestamps of lost frames
        self._head_pts: int | None = None
        self._origin: tuple[int, int] | None = None  # timestamp and packet number of the first intact frame
        self._opening: list[_SentPacket] = []  # the packets up to the last that may be shown before that frame

    @property
    def end_pts(self) -> int:
        """End of the last frame, lost ones included."""
        return self._timeline.furthest_pts

    @property
    def head_pts(self) -> int | None:
        """Timestamp of the first frame, lost ones included; None without an intact frame."""
        if self._origin is None or self._head_pts is None:
            return None
        pts, number = self._origin
        dropped = [sent for sent in self._opening if not sent.gave_frame]
        times = [sent.pts for sent in dropped if sent.pts is not None and not self._timeline.is_jump(sent.pts, pts)]
        untimed = sum(sent.pts is None and sent.number < number for sent in dropped)
        return min(self._head_pts, *times, pts) - untimed * self._timeline.nominal_ticks

    def frames(self) -> Iterator[tuple[VideoFrame, int, int]]:
        """Yield (frame, pts, end_pts) of every intact frame: the span in which it is on screen.

        Without damage, spans neither overlap nor leave gaps.
        """
        timeline = self._timeline
        current: tuple[VideoFrame, int] | None = None
        for frame, sent in self._decoded():
            pts = timeline.place(frame, sent)
            if pts is None:
                continue
            if current is not None:
                yield *current, self._first_loss(current[1], pts)
            is_intact = not frame.is_corrupt and not sent.is_damaged
            if self._origin is None:
                self._set_head(pts)
                if is_intact:
                    self._origin = pts, sent.number
            current = (frame, pts) if is_intact else None
        if current is not None:
            yield *current, self._first_loss(current[1], timeline.end_pts)

    def _decoded(self) -> Iterator[tuple[VideoFrame, _SentPacket]]:
        has_broken_references = self._decoder.codec.canonical_name in GREY_START
        key_number, key_pts = 0, None
        end_pts: int | None = None
        for number, packet in enumerate((packet for packet in self._packets if packet.size), FIRST_NUMBER):
            pts = self._timeline.pts(packet)
            if self._packets.follows_splice and packet.is_keyframe:
                yield from self._drained()
                self._decoder.flush_buffers()
            if self._packets.follows_hole:
                has_broken_references = True
                self._lose_range(end_pts, pts)
            if packet.is_keyframe:
                key_number, key_pts = number, pts if has_broken_references else None
                has_broken_references = False
            if self._packets.is_corrupt:
                has_broken_references = True
                self._lose(pts)
            is_leading = key_pts is not None and pts is not None and pts < key_pts
            packet.opaque = number
            sent = _SentPacket(number, pts, packet.duration or 0, has_broken_references or is_leading)
            self._sent[number] = sent
            self._drop_oldest()
            if self._is_opening(sent) and not packet.is_discard:
                self._opening.append(sent)
            end_pts = self._timeline.decoding_end(packet)
            try:
                frames = self._decoder.decode(packet)
            except av.error.FFmpegError:
                has_broken_references = True
                self._lose(pts)
                continue
            for frame in frames:
                sent = self._sent_packet(frame)
                has_broken_references |= frame.is_corrupt and sent.number >= key_number
                yield frame, sent
        yield from self._drained()

    def _drained(self) -> Iterator[tuple[VideoFrame, _SentPacket]]:
        """The frames that the decoder still holds."""
        try:
            for frame in self._decoder.decode(None):
                yield frame, self._sent_packet(frame)
        except av.error.FFmpegError:
            return

    def _sent_packet(self, frame: VideoFrame) -> _SentPacket:
        """The packet that gave `frame`."""
        sent = self._sent.get(frame.opaque) if isinstance(frame.opaque, int) else None
        if sent is None:  # decoders may fill a gap with generated frames
            return _SentPacket(0, None, 0, is_damaged=False)
        sent.gave_frame = True
        return sent

    def _is_opening(self, sent: _SentPacket) -> bool:
        """Whether the frame of `sent` may be shown before the first intact one, in decoding order so far."""
        if self._origin is None:
            return len(self._opening) < MAX_LOSSES
        return sent.number <= self._origin[1] + REORDERED_PICTURES

    def _set_head(self, pts: int) -> None:
        """Update the head for a frame at `pts` without an intact frame before it."""
        candidates = [self._head_pts, pts, *self._losses[:1]]
        earliest = min(candidate for candidate in candidates if candidate is not None)
        if not self._timeline.is_jump(earliest, pts):
            self._head_pts = earliest

    def _drop_oldest(self) -> None:
        """Bound the memory of sent packets; one that has not given a frame by now is lost."""
        if len(self._sent) > MAX_SENT:
            number = next(iter(self._sent))
            sent = self._sent.pop(number)
            if not sent.gave_frame and sent.pts is not None:
                self._lose(sent.pts)

    def _lose(self, pts: int | None) -> None:
        """Count the frame at `pts` as lost."""
        if pts is None:
            pts = self._timeline.skip()
        if self._timeline.extend_to(pts) and len(self._losses) < MAX_LOSSES:
            heappush(self._losses, pts)

    def _lose_range(self, start: int | None, stop: int | None) -> None:
        """Count the packets from `start` to `stop` as lost; reordered frames may still be shown among the first."""
        if start is None or stop is None:
            self._lose(start)
            return
        for number in range(REORDERED_PICTURES):
            if start + number * self._timeline.nominal_ticks < stop:
                self._lose(start + number * self._timeline.nominal_ticks)

    def _first_loss(self, pts: int, end_pts: int) -> int:
        """The time of the first lost frame while the frame at `pts` is on screen, or its `end_pts`."""
        until = end_pts
        while self._losses and self._losses[0] < end_pts:
            loss = heappop(self._losses)
            if loss > pts:
                until = min(until, loss)
        if end_pts - pts > self._freeze_ticks:
            without_frame = [sent.pts for sent in self._sent.values() if not sent.gave_frame and sent.pts is not None]
            until = min([until, *(loss for loss in without_frame if pts < loss < end_pts)])
        return until


class _Timeline:
    """Presentation times, repaired: strictly increasing, and one for every frame."""

    def __init__(self, media: Media, declared_end_pts: int | None) -> None:
        stream = media.video
        assert stream.time_base is not None
        self._has_presentation_times = media.has_presentation_times
        self._is_raw = is_raw(media)
        self._splice_ticks = int(SPLICE_SECONDS / stream.time_base)
        self._jump_ticks = int(JUMP_SECONDS / stream.time_base)
        self._declared_end_pts = declared_end_pts
        self.nominal_ticks = nominal_duration(media)
        self._latest: int | None = None
        self.end_pts = 0
        self.furthest_pts = 0  # `end_pts` with lost frames included

    def pts(self, packet: Packet[VideoStream] | VideoFrame) -> int | None:
        """The time at which a packet or frame declares to be shown, in ticks."""
        return packet.pts if self._has_presentation_times and packet.pts is not None else packet.dts

    def decoding_end(self, packet: Packet[VideoStream]) -> int | None:
        """The decoding time of the packet after `packet`."""
        dts = packet.dts if packet.dts is not None else packet.pts
        return None if dts is None else dts + (packet.duration or 0)

    def place(self, frame: VideoFrame, sent: _SentPacket) -> int | None:
        """The time at which `frame` is shown, in ticks; None if it never is."""
        declared = self.pts(frame)
        latest = self._latest
        pts = self.end_pts if declared is None else declared
        if latest is not None and pts <= latest:
            return None
        self._latest = pts
        # libav guesses the duration of packets without a timestamp in a raw stream, and after a while a tick.
        duration = 0 if declared is None and self._is_raw else sent.duration
        self.end_pts = pts + (duration or self.nominal_ticks)
        self.furthest_pts = self.end_pts if latest is None else max(self.furthest_pts, self.end_pts)
        return pts

    def skip(self) -> int:
        """The time of a lost frame without a timestamp; in a raw stream, it delays the frames after it."""
        pts = self.end_pts
        if self._is_raw and self._latest is not None:
            self.end_pts += self.nominal_ticks
        return pts

    def extend_to(self, pts: int) -> bool:
        """Extend the timeline to a lost frame at `pts`; False if the timestamp is implausible."""
        if self._latest is not None:
            if pts < self._latest - self._splice_ticks or self.is_jump(self.furthest_pts, pts):
                return False
            self.furthest_pts = max(self.furthest_pts, pts + self.nominal_ticks)
        return True

    def is_jump(self, earlier_pts: int, pts: int) -> bool:
        """Whether more time lies between the two than consecutive frames can have."""
        return pts > earlier_pts + self._jump_ticks and (self._declared_end_pts is None or pts > self._declared_end_pts)


def no_frame_error(media: Media, max_pixels: int) -> VideoError:
    """The failure of a video without a decodable frame."""
    context = media.video.codec_context
    has_header = media.format not in STREAM_FORMATS or context.profile is not None
    if not context.width and has_header:
        message = (
            "its frames have no decodable size: they are damaged, or have more than "
            f"{max_pixels} pixels (raise it with --max-pixels if the file is genuine)"
        )
        return VideoError(FailureCode.ABSURD_DIMENSIONS, message)
    message = "its video stream has no decodable frame: the file is damaged, or its start is missing"
    return VideoError(FailureCode.NO_DECODABLE_FRAME, message)
