"""One clock for spliced files: recordings joined end to end (`cat a.ts b.ts`), each part with a clock of its own.

In: the packets of the video and the audio stream as they are read. Out: the same packets with timestamps on one clock:
the video of each part starts where the one before it ends, and its audio keeps the distance to its video.

A part starts where the decoding times of the video go back by more than a second, or by more than two frames to a key
frame, or where its timestamps leap

- by more than ten minutes, and beyond the duration in the header, or
- by more than ten seconds and the length of all video before, together with the audio, and to a key frame. Other leaps
  are holes in a recording (`extractors.video.packets`).

In an MPEG programme stream, libav may give the last picture of a part the timestamp of the next part; it gets one that
fits its decoding time.

Audio enters a part with the first packet that is stored after that place, or whose timestamps jump likewise. Audio that
jumps before the video does is held back for a moment: without a new part, the jump is its own.
"""

from __future__ import annotations

import math
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

from extractors.video.coverage import JUMP_SECONDS
from extractors.video.frame_rate import nominal_duration
from extractors.video.media import Media

SPLICE_SECONDS = 1
LEAP_SECONDS = 10
MAX_HELD = 256  # audio packets: some five seconds


class Splices:
    """The parts of one file, as far as it was read: `part` and `audio_part` count those before the latest packets."""

    def __init__(self, media: Media, declared_end_pts: int | None) -> None:
        assert media.video.time_base is not None
        self.part = self.audio_part = 0
        self._tick = media.video.time_base
        self._splice_ticks = int(SPLICE_SECONDS / self._tick)
        self._leap_ticks = int(LEAP_SECONDS / self._tick)
        self._jump_ticks = int(JUMP_SECONDS / self._tick)
        self._nominal_ticks = nominal_duration(media)
        self._declared_end_pts = declared_end_pts
        self._borrows_timestamps = media.format == "mpeg"
        self._offsets = [0]  # of each part, in ticks of the video
        self._first_byte = math.inf  # of the latest part's video, where it is known
        self._first_pts: int | None = None  # of the file, as far as it was read
        self._end_pts = 0
        self._latest_dts: int | None = None  # on the part's own clock
        self._latest_delay = 0  # between decoding and presentation
        self._audio_end_seconds: float | None = None  # likewise
        self._held: list[Packet[Any]] = []

    @property
    def audio_offset_seconds(self) -> float:
        """By how much audio packets are moved at present."""
        return float(self._offsets[self.audio_part] * self._tick)

    def starts_part(self, packet: Packet[VideoStream]) -> bool:
        """Whether a video packet not placed yet starts a part."""
        if packet.dts is not None and self._latest_dts is not None:
            back = self._latest_dts - packet.dts
            if back > self._splice_ticks or (packet.is_keyframe and back > 2 * self._nominal_ticks):
                return True
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None or self._first_pts is None:
            return False
        pts += self._offsets[-1]
        is_undeclared = self._declared_end_pts is None or pts > self._declared_end_pts
        return pts > self._end_pts + self._jump_ticks and is_undeclared

    def place_video(self, packet: Packet[VideoStream]) -> bool:
        """Move a video packet to the one clock; True if it starts a part."""
        if self._borrows_timestamps:
            self._replace_borrowed(packet)
        own_pts = packet.pts if packet.pts is not None else packet.dts
        if own_pts is None:
            return False
        pts = own_pts + self._offsets[-1]
        if self._first_pts is None:
            self._first_pts = self._end_pts = pts
        starts_part = self.starts_part(packet)
        if starts_part:
            self._start_part(packet, pts - self._end_pts)
            pts = self._end_pts
        if packet.dts is not None:
            self._latest_dts, self._latest_delay = packet.dts, own_pts - packet.dts
        self._end_pts = max(self._end_pts, pts + (packet.duration or self._nominal_ticks))
        if self.part:
            _move(packet, self._offsets[-1])
        return starts_part

    def place_after_gap(self, packet: Packet[VideoStream], gap_seconds: float) -> bool:
        """Start a part with a video packet that was placed after a gap; False if the gap is a hole."""
        assert self._first_pts is not None
        gap_ticks = round(gap_seconds / self._tick)
        end_pts = self._end_pts - gap_ticks
        if not packet.is_keyframe or gap_ticks < max(self._leap_ticks, end_pts - self._first_pts):
            return False
        self._start_part(packet, gap_ticks)
        self._end_pts = end_pts
        _move(packet, -gap_ticks)
        return True

    def place_audio(self, packet: Packet[Any]) -> list[Packet[Any]]:
        """Move an audio packet to the one clock; returns the packets that are due, this one and those held back."""
        is_behind = self.part > self.audio_part
        if self._held:
            self._held.append(packet)
            return self.release() if is_behind or len(self._held) > MAX_HELD else []
        is_after = is_behind and packet.pos is not None and packet.pos >= self._first_byte
        if is_after or self._audio_jumps(packet):
            if not is_behind:
                self._held.append(packet)
                return []
            self.audio_part = self.part
        return [self._moved(packet)]

    def release(self) -> list[Packet[Any]]:
        """The audio packets held back, moved to the latest part."""
        packets, self._held = self._held, []
        self.audio_part = self.part
        return [self._moved(packet) for packet in packets]

    def _replace_borrowed(self, packet: Packet[VideoStream]) -> None:
        """Replace a presentation time that leaps ahead while the decoding time goes on."""
        if packet.pts is None or packet.dts is None or self._latest_dts is None:
            return
        leaps = packet.pts + self._offsets[-1] > self._end_pts + self._leap_ticks
        if leaps and abs(packet.dts - self._latest_dts) <= 2 * self._nominal_ticks:
            packet.pts = packet.dts + self._latest_delay

    def _start_part(self, packet: Packet[VideoStream], ticks: int) -> None:
        self._offsets.append(self._offsets[-1] - ticks)
        self._first_byte = math.inf if packet.pos is None else packet.pos
        self.part += 1

    def _audio_jumps(self, packet: Packet[Any]) -> bool:
        if packet.pts is None or self._audio_end_seconds is None:
            return False
        seconds = _seconds(packet, packet.pts) - self._audio_end_seconds
        return seconds < -SPLICE_SECONDS or seconds > LEAP_SECONDS

    def _moved(self, packet: Packet[Any]) -> Packet[Any]:
        if packet.pts is not None:
            self._audio_end_seconds = _seconds(packet, packet.pts + (packet.duration or 0))
        if self.audio_part:
            _move(packet, round(self._offsets[self.audio_part] * self._tick / packet.time_base))
        return packet


def _move(packet: Packet[Any], ticks: int) -> None:
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


def _seconds(packet: Packet[Any], ticks: int) -> float:
    return ticks * packet.time_base.numerator / packet.time_base.denominator
