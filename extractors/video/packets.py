"""Demuxing across damage and splices: the packets of the video stream in decoding order.

Audio packets are passed to a `SoundSink`, such as a `Waveform`, as they are read. Where the container is damaged,
reading resumes as soon as the demuxer resynchronises, and `follows_hole` marks the first packet after the hole.

A spliced file holds recordings joined end to end, each with a clock of its own; video and audio packets get timestamps
on one clock (`extractors.video.splices`), and `follows_splice` marks the first video packet of each later part.

`is_corrupt` tells whether the demuxer marks the packet as damaged. In MPEG-TS, it does so where the continuity counters
jump, which they do at a splice as well.

A hole is a read error, or a jump of the video timestamps by more than a second that is not a still frame:

- the audio timestamps jump as well, or
- the container format leaves no space between packets, and bytes were skipped, or
- the file is an MPEG stream without audio, and its frame rate has been constant so far.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

import av.error
from av.audio.stream import AudioStream
from av.packet import Packet, PktSideDataT
from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import JUMP_SECONDS
from extractors.video.media import Media, encryption_error
from extractors.video.splices import Splices

GAP_SECONDS = 1.0
DENSE_FORMATS = ("matroska", "flv", "asf")  # no space between packets
SKIPPED_BYTES = 1024
CONSTANT_RATE_FORMATS = ("mpegts", "mpeg")
CONSTANT_RATE_SECONDS, CONSTANT_RATE_PACKETS = 0.5, 25
NEARBY_PACKETS = 64  # the distance in the file allowed between video, audio and skipped bytes of the same moment
MAX_READ_ERRORS = 100


def has_side_data(packet: Packet[Any], kind: PktSideDataT) -> bool:
    """Like `packet.has_sidedata`, four times faster on packets without any side data, which is most of them."""
    return next(packet.iter_sidedata(), None) is not None and packet.has_sidedata(kind)


class SoundSink(Protocol):
    """What takes the audio packets of a pass."""

    def start_part(self, seconds: float) -> None:
        """Know that the latest part of a spliced file ends at `seconds`, where the next one starts."""

    def feed(self, packet: Packet[AudioStream], part: int = 0) -> None:
        """Take the next packet."""


class PacketReader(Iterator["Packet[VideoStream]"]):
    """Reads `media` from the container's current position.

    If `is_strict`, damage raises `UnsureStructureError`, and so should the caller where timestamps go back or leap: the
    packets of a spliced file keep the clocks of their parts then. `declared_end_pts` is the end of the video in the
    header, in ticks.
    """

    def __init__(
        self,
        media: Media,
        waveform: SoundSink | None = None,
        *,
        is_strict: bool = False,
        declared_end_pts: int | None = None,
    ) -> None:
        self.follows_hole = self.follows_splice = self.is_corrupt = False
        self.audio_end_seconds = 0.0  # end of the last audio packet, on the clock of the packets
        self._video, self._audio = media.video, media.audio if waveform is not None else None
        self._waveform = waveform
        self._is_strict = is_strict
        self._splices = None if is_strict else Splices(media, declared_end_pts)
        self._container = media.container
        self._streams = [stream for stream in (self._video, self._audio) if stream is not None]
        self._packets: Iterator[Any] = self._container.demux(*self._streams)
        self._read_ahead: deque[Any] = deque()
        self._errors = 0
        # Packets of streams that are not read would count as skipped bytes.
        others = [stream for stream in self._container.streams if stream.type != "attachment"]
        self._is_dense = media.format in DENSE_FORMATS and len(others) == len(self._streams)
        self._has_constant_rate = media.format in CONSTANT_RATE_FORMATS and self._audio is None
        assert self._video.time_base is not None
        self._tick_seconds = float(self._video.time_base)
        self._count = 0
        self._latest: Packet[VideoStream] | None = None
        self._end_byte: int | None = None
        self._skipped_bytes_at = -NEARBY_PACKETS
        self._end_seconds: float | None = None  # end of the video read so far
        self._audio_gap_seconds, self._audio_gap_at = 0.0, -NEARBY_PACKETS
        audio_tick = None if self._audio is None else self._audio.time_base
        self._audio_tick = (1, 1) if audio_tick is None else audio_tick.as_integer_ratio()

    @property
    def is_spliced(self) -> bool:
        """Whether the packets read so far are of several parts."""
        return self._splices is not None and self._splices.part > 0

    @property
    def end_byte(self) -> int:
        """Where the latest video packet ends in the file; 0 if the container does not tell."""
        return 0 if self._latest is None or self._latest.pos is None else self._latest.pos + self._latest.size

    def __next__(self) -> Packet[VideoStream]:
        self.follows_hole = self.follows_splice = False
        while True:
            try:
                packet = self._read_ahead.popleft() if self._read_ahead else self._read()
            except StopIteration:
                if self._splices is not None:
                    self._feed(self._splices.release(), self._splices.audio_part)
                raise
            self._count += 1
            if self._is_dense and packet.size:
                self._check_position(packet)
            if packet.stream is self._video:
                if has_side_data(packet, "encryption_info"):
                    raise encryption_error()
                if packet.size:
                    if self._splices is not None:
                        if self._splices.place_video(packet):
                            self._start_part(packet)
                        self.is_corrupt = packet.is_corrupt and not self._precedes_splice(self._splices)
                    self._check_for_hole(packet)
                    self._latest = packet
                video: Packet[VideoStream] = packet
                return video
            if self._waveform is not None and packet.stream is self._audio:
                if self._splices is None:
                    self._check_audio(packet)
                    self._waveform.feed(packet)
                else:
                    self._feed(self._splices.place_audio(packet), self._splices.audio_part)

    def _start_part(self, packet: Packet[VideoStream]) -> None:
        self.follows_splice = True
        pts = packet.pts if packet.pts is not None else packet.dts
        if self._waveform is not None and pts is not None:
            self._waveform.start_part(pts * self._tick_seconds)

    def _precedes_splice(self, splices: Splices) -> bool:
        """Whether one of the next two video packets is the key frame with which a part starts."""
        following = (packet for packet in self._ahead() if packet.stream is self._video and packet.size)
        return any(splices.starts_part(packet) and packet.is_keyframe for packet in islice(following, 2))

    def _feed(self, packets: list[Packet[Any]], part: int) -> None:
        for packet in packets:
            self._check_audio(packet)
            if self._waveform is not None:
                self._waveform.feed(packet, part)

    def _read(self) -> Any:
        while True:
            try:
                return self._next_packet()
            except av.error.EOFError:
                raise StopIteration from None
            # PyAV 18 raises an IndexError for a packet of a stream that appeared after the file had been opened.
            except (av.error.FFmpegError, IndexError) as error:
                if self._is_strict:
                    raise UnsureStructureError(f"the container is damaged: {error}") from error
                if isinstance(error, av.error.FFmpegError):
                    self.follows_hole = True
                    self._errors += 1
                if self._errors > MAX_READ_ERRORS:
                    raise StopIteration from None
                self._packets = self._container.demux(*self._streams)

    def _next_packet(self) -> Any:
        return next(self._packets)

    def _check_position(self, packet: Packet[Any]) -> None:
        """Note where bytes of the file were skipped before `packet`."""
        if packet.pos is None or packet.pos < 0:
            return
        if self._end_byte is not None and packet.pos - self._end_byte > SKIPPED_BYTES:
            self._skipped_bytes_at = self._count
        self._end_byte = packet.pos + packet.size

    def _check_audio(self, packet: Packet[Any]) -> None:
        """Note where the audio timestamps jump before `packet`."""
        if packet.pts is None:
            return
        numerator, denominator = self._audio_tick  # integers, for a hundred packets per second
        seconds = packet.pts * numerator / denominator
        if seconds > self.audio_end_seconds + GAP_SECONDS / 2:
            self._audio_gap_seconds, self._audio_gap_at = seconds - self.audio_end_seconds, self._count
        self.audio_end_seconds = seconds + (packet.duration or 0) * numerator / denominator

    def _check_for_hole(self, packet: Packet[VideoStream]) -> None:
        """Set `follows_hole` if video packets are missing before `packet`."""
        timestamp = packet.pts if packet.pts is not None else packet.dts  # the latter lags behind after a hole
        if timestamp is None:
            return
        seconds, end_seconds = timestamp * self._tick_seconds, self._end_seconds
        packet_end_seconds = seconds + (packet.duration or 0) * self._tick_seconds
        if end_seconds is None or packet_end_seconds > end_seconds:
            self._end_seconds = packet_end_seconds
        if end_seconds is None:
            return
        gap_seconds = seconds - end_seconds
        if self._has_constant_rate and self._count < CONSTANT_RATE_PACKETS:
            self._has_constant_rate = gap_seconds < CONSTANT_RATE_SECONDS
        if GAP_SECONDS < gap_seconds < JUMP_SECONDS:
            if self._count - self._skipped_bytes_at < NEARBY_PACKETS:
                self.follows_hole = True
            elif self._has_constant_rate or self._has_audio_gap(gap_seconds):
                if self._splices is not None and self._splices.place_after_gap(packet, gap_seconds):
                    self._start_part(packet)
                    self._end_seconds = packet_end_seconds - gap_seconds
                else:
                    self.follows_hole = True
        if self.follows_hole and self._is_strict:
            raise UnsureStructureError("video packets are missing from the container")

    def _has_audio_gap(self, gap_seconds: float) -> bool:
        """Whether the audio timestamps jump over most of a gap as well, shortly before or after it in the file."""
        if self._count - self._audio_gap_at < NEARBY_PACKETS:
            return self._audio_gap_seconds > gap_seconds / 2
        end_seconds = self.audio_end_seconds
        if self._splices is not None:  # packets are moved after they were read ahead
            end_seconds -= self._splices.audio_offset_seconds
        for packet in self._ahead() if self._audio is not None else ():
            if packet.stream is self._audio and packet.pts is not None:
                seconds = float(packet.pts * packet.time_base)
                if seconds - end_seconds > gap_seconds / 2:
                    return True
                end_seconds = seconds + float((packet.duration or 0) * packet.time_base)
        return False

    def _ahead(self) -> Iterator[Any]:
        """The next packets of the file, which are still to be placed."""
        for number in range(NEARBY_PACKETS):
            if number == len(self._read_ahead):
                try:
                    self._read_ahead.append(self._read())
                except StopIteration:
                    return
            yield self._read_ahead[number]
