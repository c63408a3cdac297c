"""Selective decoding: the frames on the grid, to the bit, for a fraction of the work.

The packets of a group of pictures are read before any of them is decoded; their timestamps say which frames will be
seen at a grid point, their syntax which of the others those depend on. Packets that no seen frame depends on never
reach the decoder:

    packets ─► groups ─► which are seen? ─► needed packets ─► decoder ─► RGB of the seen ones ─► samples

Every frame that was expected must come out, in order and undamaged. If one does not, or if timestamps or syntax leave
any doubt, `UnsureStructureError` is raised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, pairwise
from operator import sub
from typing import Generic

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from extractors.video.bitstream.picture import UnsureStructureError
from extractors.video.coverage import LEAP_SECONDS
from extractors.video.groups import CodedFrame, Group, read_groups
from extractors.video.image import RgbConverter
from extractors.video.media import Media
from extractors.video.packets import PacketReader
from extractors.video.samples import P, Points, Sample, SamplingRequest
from extractors.video.seek import can_seek, groups_at
from extractors.video.sound import PREROLL_SECONDS


class SelectiveDecode(Generic[P]):
    """One selective pass over one stream.

    `key_frames` has a whole group shown by the picture that it starts with. `origin` is the timestamp of the first
    frame, where that is known; the stream may then be anywhere, if it can seek.
    """

    def __init__(
        self, media: Media, wanted: SamplingRequest[P], *, key_frames: bool = False, origin: int | None = None
    ) -> None:
        assert media.video.time_base is not None
        self._media = media
        self._wanted = wanted
        self._leap_ticks = int(LEAP_SECONDS / media.video.time_base)
        self._promised_pts = wanted.promised_pts(media)
        self._decoder = media.video.codec_context
        self._decoder.copy_opaque = True  # a frame then carries its packet's number
        self._to_rgb = RgbConverter()
        self._key_frames = key_frames
        self._origin = origin
        self._held: Sample | None = None  # the latest
        self._expected: deque[tuple[CodedFrame, range]] = deque()
        # Whether the decoder holds every picture that the next packet may refer to.
        self._is_intact = True

    def samples(self) -> Iterator[Sample]:
        """The samples in order; raises `UnsureStructureError` as soon as they cannot be guaranteed."""
        grid, groups = self._enter()
        end_pts = grid.origin
        is_exhausted = True
        for group, following in groups:
            yield from (self._decode_key if self._key_frames else self._decode_group)(grid, group, following)
            end_pts = max([end_pts, *(frame.end_pts for frame in group.frames if frame.shown)])
            if following is not None and grid.is_over(following.shown()[0].pts):
                is_exhausted = False
                break
        yield from self._drain(grid)
        self._wanted.finish(grid, self._packets, is_exhausted=is_exhausted, end_pts=end_pts, head_pts=grid.origin)

    def _read(self) -> Iterator[Packet[VideoStream]]:
        """Start reading packets from wherever the container is."""
        self._packets = PacketReader(self._media, self._wanted.sound, is_strict=True)
        return self._packets

    def _enter(self) -> tuple[P, Iterator[tuple[Group, Group | None]]]:
        """Go to where the first point lies."""
        if self._origin is not None:
            grid = self._wanted.place(self._media, self._origin)
        else:
            groups = read_groups(self._media, self._read())
            opening = next(groups, None)
            if opening is None:
                raise UnsureStructureError("the stream holds no packet")
            grid = self._wanted.place(self._media, first_pts(opening[0]))
            if grid.pts(grid.first) <= grid.origin or not can_seek(self._media):
                return grid, chain([opening], groups)
            check_origin(self._decoder, opening[0])
        preroll_seconds = Fraction(0) if self._wanted.sound is None else PREROLL_SECONDS
        return grid, groups_at(self._media, self._read, grid.pts(grid.first), preroll_seconds)

    def _decode_group(self, grid: P, group: Group, following: Group | None) -> Iterator[Sample]:
        seen = self._seen(grid, group, following)
        if not self._is_intact:
            if not group.starts_afresh or any(frame.picture.needs_previous for frame, _ in seen):
                raise UnsureStructureError("a group refers to pictures that were passed over")
            yield from self._drain(grid)
            sendable = [frame for frame in group.frames if not frame.picture.needs_previous]
            self._is_intact = True
        else:
            sendable = group.frames
        wanted = {frame.number for frame, _ in seen}
        self._expected.extend(seen)
        last = max(wanted, default=-1)
        if following is not None and _is_continued(grid, following):
            last = group.frames[-1].number
        for frame in sendable:
            picture = frame.picture
            if frame.number in wanted:
                frame.packet.opaque = frame.number
                yield from self._deliver(grid, self._decoder.decode(frame.packet))
            elif (frame.number <= last and not picture.disposable) or picture.has_parameters:
                if came_out := self._decoder.decode(frame.packet):
                    yield from self._deliver(grid, came_out)
            elif not picture.disposable:
                self._is_intact = False

    def _decode_key(self, grid: P, group: Group, following: Group | None) -> Iterator[Sample]:
        """Its first picture alone, for all grid points at which any of its pictures is seen."""
        points = [index for _, seen in self._seen(grid, group, following) for index in seen]
        if not points:
            return
        if not group.starts_afresh:  # a later part of a long group
            if self._held is None:
                raise UnsureStructureError("no key frame has been met yet")
            held = self._held
            yield from (Sample(index, grid.seconds(index), held.pts, held.image) for index in points)
            return
        head = group.frames[0]
        head.packet.opaque = head.number
        self._expected.append((head, range(points[0], points[-1] + 1)))
        yield from self._deliver(grid, self._decoder.decode(head.packet))
        yield from self._drain(grid)

    def _seen(self, grid: P, group: Group, following: Group | None) -> list[tuple[CodedFrame, range]]:
        """The frames of `group` that are on screen at a grid point, in order, with those points."""
        shown = group.shown()
        if not shown:
            return []
        takeover = following.shown()[0].pts if following is not None else shown[-1].end_pts
        stamps = [*[frame.pts for frame in shown], takeover]
        stays = list(map(sub, stamps[1:], stamps))
        if min(stays) <= 0:
            raise UnsureStructureError("frames that are shown at the same time, or groups that overlap")
        if max(stays) > self._leap_ticks and (self._promised_pts is None or takeover > self._promised_pts):
            raise UnsureStructureError("the clock leaps")
        return [(shown[position], points) for position, points in grid.seen(stamps)]

    def _drain(self, grid: P) -> Iterator[Sample]:
        """Get the last frames out of the decoder, and leave it as if nothing had been decoded."""
        yield from self._deliver(grid, self._decoder.decode(None))
        self._decoder.flush_buffers()
        if self._expected:
            raise UnsureStructureError(f"{len(self._expected)} expected frames did not come out")

    def _deliver(self, grid: P, frames: Iterable[VideoFrame]) -> Iterator[Sample]:
        for frame in frames:
            if not self._expected:
                return
            number = frame.opaque
            if number is None:  # nobody waits for it
                continue
            coded, points = self._expected[0]
            if number != coded.number:
                if any(number == later.number for later, _ in self._expected):
                    raise UnsureStructureError(f"packet {coded.number} did not give the frame it promised")
                continue
            if frame.is_corrupt or frame.pts != coded.pts:
                raise UnsureStructureError(f"packet {coded.number} gave a damaged or a displaced frame")
            self._expected.popleft()
            image = self._to_rgb(frame)
            for index in points:
                self._held = Sample(index, grid.seconds(index), coded.pts, image)
                yield self._held


def _is_continued(grid: Points, following: Group) -> bool:
    """Whether decoding `following` will need the whole of the group before it."""
    if not following.starts_afresh:
        return True
    head = following.frames[0]
    leading = [frame for frame in following.shown() if frame.pts <= head.pts]
    return any(
        earlier.picture.needs_previous and grid.points(earlier.pts, later.pts) for earlier, later in pairwise(leading)
    )


def first_pts(opening: Group) -> int:
    """When the first frame of a video is shown."""
    shown = opening.shown()
    if not shown:
        raise UnsureStructureError("the first group shows nothing")
    return shown[0].pts


def check_origin(decoder: VideoCodecContext, opening: Group) -> None:
    """What starts later still counts from the first frame, so that frame must really come out first."""
    decoder.copy_opaque = True
    for frame in opening.frames:
        frame.packet.opaque = frame.number
        decoded = decoder.decode(frame.packet)
        if decoded:
            break
    else:
        decoded = decoder.decode(None)
    decoder.flush_buffers()
    if not decoded or decoded[0].opaque != opening.shown()[0].number:
        raise UnsureStructureError("the first frame is not the one that its timestamps promise")
