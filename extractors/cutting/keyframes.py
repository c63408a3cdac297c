"""Cuts without encoding: packets are copied, from the key frame at or before the start of a span.

In: a path, its `FrameList`, and spans. Out: for each span a file that holds at least its frames, or the `CutError` that
is the reason why there is none. What a file shows before and after its span is in `CutFile`: pictures from the key
frame on, and those after the end that frames of the span refer to. The key frame is at 0.

Files are MP4 where that holds the codecs, else Matroska. Sound is copied in whole packets.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import av.error
from av.packet import Packet

from extractors.cutting.frame_list import FrameList, list_frames
from extractors.cutting.span import CutError, CutFile, Span, raise_unwritable
from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.groups import CodedFrame, Group, read_groups
from extractors.video.media import MAX_PIXELS, Media, open_media
from extractors.video.packets import PacketReader
from extractors.video.seek import can_seek, groups_at
from schemas.outcomes import VideoError

MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
MP4_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
MP4, MATROSKA = (".mp4", "mp4"), (".mkv", "matroska")  # suffixes and FFmpeg's names
ROUNDING_SECONDS = Fraction(1, 1000)  # of Matroska's times
INSTEAD = "cut it exactly instead (--cut exact)"


@dataclass(frozen=True)
class _Copy:
    """The packets that a file takes.

    timestamps  in the order of the packets, in ticks
    declared    decoding times by the container
    key_pts     of the key frame
    end_pts     of the last frame that is shown
    """

    timestamps: tuple[int, ...]
    declared: tuple[int | None, ...]
    key_pts: int
    end_pts: int

    @classmethod
    def of(cls, media: Media, frames: FrameList, span: Span) -> _Copy:
        """What is to be copied of an open file."""
        times = [(frame.pts, frame.packet.dts) for frame in _coded_frames(media, span)]
        if not times:
            raise UnsureStructureError("no packet is found there")
        timestamps, declared = zip(*times, strict=True)
        # Durations of packets are distances of decoding times, which are others than those of the frames.
        following = bisect_right(frames.timestamps, max(timestamps))
        return cls(timestamps, declared, timestamps[0], frames.pts_of(following))

    def decoding_times(self) -> list[int]:
        """When packets are decoded, after the key frame; Matroska knows that of none behind a key frame."""
        declared = [dts for dts in self.declared if dts is not None]
        if len(declared) == len(self.timestamps):
            return [dts - self.key_pts for dts in declared]
        ordered = sorted(self.timestamps)
        lead = max(shown - pts for shown, pts in zip(ordered, self.timestamps, strict=True))
        return [pts - lead - self.key_pts for pts in ordered]


def cut_at_keyframes(
    path: Path, frames: FrameList, spans: Sequence[Span], *, with_sound: bool = True, max_pixels: int = MAX_PIXELS
) -> list[CutFile | CutError]:
    """The outcome of each span, in order.

    Raises `VideoError` where the video cannot be opened any more, or the disk takes no more.
    """
    if not frames.is_sure:
        reason = (
            f"its packets cannot be copied, as the video is damaged or spliced, or its timestamps are unsure: {INSTEAD}"
        )
        return [CutError(reason) for _ in spans]
    return [_attempt(path, frames, span, with_sound, max_pixels) for span in spans]


def _attempt(path: Path, frames: FrameList, span: Span, with_sound: bool, max_pixels: int) -> CutFile | CutError:
    try:
        return _cut(path, frames, span, with_sound, max_pixels)
    except MemoryError:
        raise
    except (av.error.FFmpegError, UnsureStructureError, ValueError) as error:
        if not (isinstance(error, OSError) and error.filename == str(path)):  # damage reads as EIO, too
            raise_unwritable(error)
        return CutError(f"its packets cannot be copied ({error}): {INSTEAD}")


def _cut(path: Path, frames: FrameList, span: Span, with_sound: bool, max_pixels: int) -> CutFile | CutError:
    with open_media(str(path), max_pixels=max_pixels) as media:
        copy = _Copy.of(media, frames, span)
    with open_media(str(path), max_pixels=max_pixels) as media, open_media(str(path), max_pixels=max_pixels) as other:
        suffix, name = _container_of(media, with_sound)
        target = span.path.with_suffix(suffix)
        # Matroska would move all times, so that no decoding time is below 0, which it does not store.
        options = {"avoid_negative_ts": "disabled"}
        try:
            with av.open(str(target), "w", format=name, container_options=options) as output:
                video = output.add_stream_from_template(media.video)
                parts: list[Iterator[tuple[Fraction, Packet[Any]]]] = [_pictures(media, span, copy)]
                streams: dict[Any, Any] = {media.video: video}
                if with_sound and other.audio is not None:
                    streams[other.audio] = output.add_stream_from_template(other.audio)
                    parts.append(_sound(other, copy, frames.tick))
                for _, packet in heapq.merge(*parts, key=lambda part: part[0]):
                    packet.stream = streams[packet.stream]
                    output.mux(packet)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    problem = _disagreement(target, frames, span, copy)
    if problem:
        target.unlink(missing_ok=True)
        return CutError(f"{problem}: {INSTEAD}")
    return CutFile(
        target,
        before_seconds=(span.start_pts - copy.key_pts) * frames.tick,
        after_seconds=(copy.end_pts - span.end_pts) * frames.tick,
    )


def _pictures(media: Media, span: Span, copy: _Copy) -> Iterator[tuple[Fraction, Packet[Any]]]:
    """Decoding times in seconds, and packets, whose times count from the key frame."""
    tick = media.video.time_base
    assert tick is not None
    for frame, dts in zip(_coded_frames(media, span), copy.decoding_times(), strict=True):
        packet = frame.packet
        packet.pts, packet.dts = frame.pts - copy.key_pts, dts
        yield dts * tick, packet


def _sound(media: Media, copy: _Copy, tick: Fraction) -> Iterator[tuple[Fraction, Packet[Any]]]:
    """The packets of the sound that begin while the pictures last, likewise."""
    stream = media.audio
    assert stream is not None
    assert stream.time_base is not None
    start, end = (ceil(pts * tick / stream.time_base) for pts in (copy.key_pts, copy.end_pts))
    if can_seek(media):
        media.container.seek(start, stream=stream, backward=True)
    for packet in media.container.demux(stream):
        if not packet.size or packet.pts is None or packet.pts < start:
            continue
        if packet.pts >= end:
            return
        packet.pts = packet.dts = packet.pts - start
        yield packet.pts * stream.time_base, packet


def _coded_frames(media: Media, span: Span) -> Iterator[CodedFrame]:
    """The packets from the key frame to the last one of the span, in decoding order."""
    key_pts: int | None = None
    held: list[CodedFrame] = []  # since the latest one of the span
    for group in _groups_from(media, span.start_pts):
        if key_pts is None:
            key_pts = group.frames[0].pts
        if all(frame.pts >= span.end_pts for frame in group.frames):
            return
        for frame in group.frames:
            if frame.pts >= key_pts:  # earlier ones refer to what precedes the key frame
                held.append(frame)
                if frame.pts < span.end_pts:
                    yield from held
                    held = []


def _groups_from(media: Media, start_pts: int) -> Iterator[Group]:
    """The groups from the one on whose key frame the frame at `start_pts` depends."""
    if can_seek(media):
        groups = groups_at(media, lambda: PacketReader(media, is_strict=True), start_pts, Fraction(0))
    else:
        groups = read_groups(media, PacketReader(media, is_strict=True))
    held: list[Group] = []
    is_reached = False
    for group, _ in groups:
        if is_reached:
            yield group
            continue
        if group.is_random_access and group.frames[0].pts <= start_pts:
            held = []
        held.append(group)
        is_reached = any(frame.pts >= start_pts for frame in group.frames)
        if is_reached:
            yield from held


def _container_of(media: Media, with_sound: bool) -> tuple[str, str]:
    sound = media.audio.codec_context.codec.canonical_name if with_sound and media.audio is not None else "aac"
    fits = media.video.codec_context.codec.canonical_name in MP4_VIDEO and sound in MP4_SOUND
    return MP4 if fits else MATROSKA


def _disagreement(path: Path, frames: FrameList, span: Span, copy: _Copy) -> str:
    """What is wrong with the frames of a file; empty where those of the span are at their times."""
    try:
        found = list_frames(str(path))
    except VideoError as error:
        return f"the file that was cut cannot be read: {error.message}"
    start, end = ((pts - copy.key_pts) * frames.tick for pts in (span.start_pts, span.end_pts))
    first = found.first_from(start - ROUNDING_SECONDS)
    stop = found.first_from(end - ROUNDING_SECONDS)
    seconds = [found.seconds_of(pts) for pts in found.timestamps[first:stop]]
    wanted = [(pts - copy.key_pts) * frames.tick for pts in span.timestamps]
    if len(seconds) == len(wanted) and all(
        abs(one - other) <= ROUNDING_SECONDS for one, other in zip(seconds, wanted, strict=True)
    ):
        return ""
    return f"the file that was cut has {len(seconds)} frames at other times than the {len(wanted)} of the source"
