"""The packets of an open video, in decoding order, across damage.

Sound packets go to `sound` on their way past. Where the container is damaged, reading goes on behind the damage as far
as the demuxer finds its way; `follows_hole` then tells that pictures are missing before the packet just given.

A hole is a read error, or a leap of the pictures' clock by more than a second that is no picture staying on screen:

- the sound leaps with it, or
- in containers without room between packets, bytes went by that belong to none, or
- an MPEG stream without sound, whose frames come at a constant rate by nature, has come at one so far.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import av.error
from av.packet import Packet, PktSideDataT
from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.media import Media, encrypted_refusal
from extractors.video.sound import Sound

LEAP_SECONDS = 1.0
SET_BACK_SECONDS = 10.0
SPLICE_SECONDS = 600.0  # a clock that leaps further was set anew (`extractors.video.full_decode`)
DENSE_FORMATS = ("matroska", "flv", "asf")
LOST_BYTES = 1024
STEADY_FORMATS = ("mpegts", "mpeg")
STEADY_SECONDS, STEADY_PACKETS = 0.5, 25
NEARBY_PACKETS = 64  # how far apart in the file sound and pictures of the same moment may lie, and lost bytes from both
MAX_READ_ERRORS = 100


def has_side_data(packet: Packet[Any], kind: PktSideDataT) -> bool:
    """What `packet.has_sidedata` tells; for packets without any side data, most of them, at a fourth of its cost."""
    return next(packet.iter_sidedata(), None) is not None and packet.has_sidedata(kind)


class PacketReader(Iterator["Packet[VideoStream]"]):
    """Reads `media` from wherever its container is. `is_strict` makes damage an `UnsureStructureError`."""

    def __init__(self, media: Media, sound: Sound | None = None, *, is_strict: bool = False) -> None:
        self.follows_hole = False
        self.sound_seconds = 0.0  # when the last sound packet ends, on the container's clock
        self._video, self._audio = media.video, media.audio if sound is not None else None
        self._sound = sound
        self._is_strict = is_strict
        self._container = media.container
        self._wanted = [stream for stream in (self._video, self._audio) if stream is not None]
        self._packets: Iterator[Any] = self._container.demux(*self._wanted)
        self._ahead: deque[Any] = deque()
        self._errors = 0
        # Packets of streams that nobody reads would look like lost bytes.
        others = [stream for stream in self._container.streams if stream.type != "attachment"]
        self._is_dense = media.format in DENSE_FORMATS and len(others) == len(self._wanted)
        self._is_steady = media.format in STEADY_FORMATS and self._audio is None
        assert self._video.time_base is not None
        self._tick_seconds = float(self._video.time_base)
        self._count = 0
        self._end_byte: int | None = None
        self._lost_bytes_at = -NEARBY_PACKETS
        self._end_seconds: float | None = None  # until when pictures have been read
        self._sound_leap_seconds, self._sound_leapt_at = 0.0, -NEARBY_PACKETS
        sound_tick = None if self._audio is None else self._audio.time_base
        self._sound_tick = (1, 1) if sound_tick is None else sound_tick.as_integer_ratio()

    def __next__(self) -> Packet[VideoStream]:
        self.follows_hole = False
        while True:
            packet = self._ahead.popleft() if self._ahead else self._read()
            self._count += 1
            if self._is_dense and packet.size:
                self._weigh(packet)
            if packet.stream is self._video:
                if has_side_data(packet, "encryption_info"):
                    raise encrypted_refusal()
                if packet.size:
                    self._look_for_hole(packet)
                video: Packet[VideoStream] = packet
                return video
            if self._sound is not None and packet.stream is self._audio:
                self._hear(packet)
                self._sound.feed(packet)

    def _read(self) -> Any:
        while True:
            try:
                return next(self._packets)
            except av.error.EOFError:
                raise StopIteration from None
            # PyAV 18 raises an IndexError for a packet of a stream that appeared after the file had been opened.
            except (av.error.FFmpegError, IndexError) as error:
                if self._is_strict:
                    raise UnsureStructureError(f"the container is damaged: {error}") from error
                self._errors += 1
                if self._errors > MAX_READ_ERRORS:
                    raise StopIteration from None
                self.follows_hole = isinstance(error, av.error.FFmpegError)
                self._packets = self._container.demux(*self._wanted)

    def _weigh(self, packet: Packet[Any]) -> None:
        if packet.pos is None or packet.pos < 0:
            return
        if self._end_byte is not None and packet.pos - self._end_byte > LOST_BYTES:
            self._lost_bytes_at = self._count
        self._end_byte = packet.pos + packet.size

    def _hear(self, packet: Packet[Any]) -> None:
        if packet.pts is None:
            return
        numerator, denominator = self._sound_tick  # whole numbers: a hundred packets a second come past
        seconds = packet.pts * numerator / denominator
        if seconds > self.sound_seconds + LEAP_SECONDS / 2:
            self._sound_leap_seconds, self._sound_leapt_at = seconds - self.sound_seconds, self._count
        self.sound_seconds = seconds + (packet.duration or 0) * numerator / denominator

    def _look_for_hole(self, packet: Packet[VideoStream]) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts  # the latter lags behind after a hole
        if stamp is None:
            return
        seconds, end_seconds = stamp * self._tick_seconds, self._end_seconds
        is_set_back = end_seconds is not None and seconds < end_seconds - SET_BACK_SECONDS
        packet_end_seconds = seconds + (packet.duration or 0) * self._tick_seconds
        if end_seconds is None or is_set_back or packet_end_seconds > end_seconds:
            self._end_seconds = packet_end_seconds
        if end_seconds is None or is_set_back:
            return
        if self._is_steady and self._count < STEADY_PACKETS:
            self._is_steady = seconds - end_seconds < STEADY_SECONDS
        if LEAP_SECONDS < seconds - end_seconds < SPLICE_SECONDS:
            has_lost_bytes = self._count - self._lost_bytes_at < NEARBY_PACKETS
            if has_lost_bytes or self._is_steady or self._has_lost_sound(seconds - end_seconds):
                self.follows_hole = True
        if self.follows_hole and self._is_strict:
            raise UnsureStructureError("pictures are missing from the container")

    def _has_lost_sound(self, leap_seconds: float) -> bool:
        """Whether the sound leaps over most of that time as well, a little before in the file or after."""
        if self._count - self._sound_leapt_at < NEARBY_PACKETS:
            return self._sound_leap_seconds > leap_seconds / 2
        end_seconds = self.sound_seconds
        while self._audio is not None and len(self._ahead) < NEARBY_PACKETS:
            try:
                packet = self._read()
            except StopIteration:
                return False
            self._ahead.append(packet)
            if packet.stream is self._audio and packet.pts is not None:
                seconds = float(packet.pts * packet.time_base)
                if seconds - end_seconds > leap_seconds / 2:
                    return True
                end_seconds = seconds + float((packet.duration or 0) * packet.time_base)
        return False
