"""Selective decoding: the frames at the requested points, bit-identical to a full decode, for a fraction of the work.

The packets of a group of pictures are read before any of them is decoded: their timestamps tell which frames have a
point, their syntax which other packets those frames depend on. The rest never reaches the decoder:

    packets ─► groups ─► frames with a point ─► packets they depend on ─► decoder ─► RGB ─► samples

Every expected frame must leave the decoder in order and undamaged. If one does not, or if timestamps or syntax are
ambiguous, `UnsureStructureError` is raised.
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
from extractors.video.coverage import JUMP_SECONDS
from extractors.video.groups import CodedFrame, Group, read_groups
from extractors.video.image import RgbConverter
from extractors.video.media import Media
from extractors.video.packets import PacketReader
from extractors.video.samples import P, Points, Sample, SamplingRequest
from extractors.video.seek import can_seek, groups_at
from extractors.video.waveform import PREROLL_SECONDS


class SelectiveDecode(Generic[P]):
    """One selective pass over one stream.

    key_frames  an approximation: the first frame of a group stands for all of the group
    origin      timestamp of the first frame, where known; a seekable stream may then be at any position
    """

    def __init__(
        self, media: Media, request: SamplingRequest[P], *, key_frames: bool = False, origin: int | None = None
    ) -> None:
        assert media.video.time_base is not None
        self._media = media
        self._request = request
        self._jump_ticks = int(JUMP_SECONDS / media.video.time_base)
        self._declared_end_pts = request.declared_end_pts(media)
        self._decoder = media.video.codec_context
        self._decoder.copy_opaque = True  # frames then carry the number of their packet
        self._to_rgb = RgbConverter(media.crop)
        self._key_frames = key_frames
        self._origin = origin
        self.end_byte = 0  # of the last video packet, once the file was read to its end
        self._latest: Sample | None = None
        self._expected: deque[tuple[CodedFrame, range]] = deque()
        # Whether the decoder has every picture that the next packet may refer to.
        self._has_references = True

    def samples(self) -> Iterator[Sample]:
        """The samples in order; raises `UnsureStructureError` as soon as they cannot be guaranteed."""
        points, groups = self._start()
        decode = self._decode_key_frame if self._key_frames else self._decode_group
        end_pts = head_pts = points.origin
        is_exhausted = True
        for group, following in groups:
            yield from decode(points, group, following)
            head_pts = min([head_pts, *group.left_out])
            end_pts = max([end_pts, *(frame.end_pts for frame in group.frames if frame.shown)])
            if following is not None and points.is_over(following.shown()[0].pts):
                is_exhausted = False
                break
        yield from self._drain(points)
        if is_exhausted:
            self.end_byte = self._packets.end_byte
        self._request.finish(points, self._packets, is_exhausted=is_exhausted, end_pts=end_pts, head_pts=head_pts)

    def _read(self) -> Iterator[Packet[VideoStream]]:
        """Read packets from the container's current position."""
        self._packets = PacketReader(self._media, self._request.waveform, is_strict=True)
        return self._packets

    def _start(self) -> tuple[P, Iterator[tuple[Group, Group | None]]]:
        """The points, and the groups from the first point on."""
        if self._origin is not None:
            points = self._request.place(self._media, self._origin)
        else:
            groups = read_groups(self._media, self._read())
            opening = next(groups, None)
            if opening is None:
                raise UnsureStructureError("the stream has no packet")
            points = self._request.place(self._media, first_pts(opening[0]))
            if points.pts(points.first) <= points.origin or not can_seek(self._media):
                return points, chain([opening], groups)
            check_origin(self._decoder, opening[0])
        preroll_seconds = Fraction(0) if self._request.waveform is None else PREROLL_SECONDS
        return points, groups_at(self._media, self._read, points.pts(points.first), preroll_seconds)

    def _decode_group(self, points: P, group: Group, following: Group | None) -> Iterator[Sample]:
        sampled = self._sampled(points, group, following)
        if not self._has_references:
            if not group.is_random_access or any(frame.picture.needs_previous for frame, _ in sampled):
                raise UnsureStructureError("a group refers to pictures that were skipped")
            yield from self._drain(points)
            decodable = [frame for frame in group.frames if not frame.picture.needs_previous]
            self._has_references = True
        else:
            decodable = group.frames
        sampled_numbers = {frame.number for frame, _ in sampled}
        self._expected.extend(sampled)
        last = max(sampled_numbers, default=-1)
        if following is not None and _needs_previous_group(points, following):
            last = group.frames[-1].number
        for frame in decodable:
            picture = frame.picture
            if frame.number in sampled_numbers:
                frame.packet.opaque = frame.number
                yield from self._deliver(points, self._decoder.decode(frame.packet))
            elif (frame.number <= last and not picture.disposable) or picture.has_parameters:
                if decoded := self._decoder.decode(frame.packet):
                    yield from self._deliver(points, decoded)
            elif not picture.disposable:
                self._has_references = False

    def _decode_key_frame(self, points: P, group: Group, following: Group | None) -> Iterator[Sample]:
        """Decode the first frame of the group alone, and sample it at all points of the group."""
        sampled = [frame_points for _, frame_points in self._sampled(points, group, following)]
        if not sampled:
            return
        if not group.is_random_access:  # the continuation of a long group
            latest = self._latest
            if latest is None:
                raise UnsureStructureError("no key frame was found yet")
            indices = chain.from_iterable(sampled)
            yield from (Sample(index, points.seconds(index), latest.pts, latest.image) for index in indices)
            return
        head = group.frames[0]
        head.packet.opaque = head.number
        self._expected.append((head, range(sampled[0].start, sampled[-1].stop)))
        yield from self._deliver(points, self._decoder.decode(head.packet))
        yield from self._drain(points)

    def _sampled(self, points: P, group: Group, following: Group | None) -> list[tuple[CodedFrame, range]]:
        """The frames of `group` that have points, in presentation order, with their points."""
        shown = group.shown()
        if not shown:
            return []
        end_pts = following.shown()[0].pts if following is not None else shown[-1].end_pts
        timestamps = [*[frame.pts for frame in shown], end_pts]
        durations = list(map(sub, timestamps[1:], timestamps))
        if min(durations) <= 0:
            raise UnsureStructureError("frames with equal timestamps, or overlapping groups")
        if max(durations) > self._jump_ticks and (self._declared_end_pts is None or end_pts > self._declared_end_pts):
            raise UnsureStructureError("the timestamps jump")
        return [(shown[position], frame_points) for position, frame_points in points.sampled(timestamps)]

    def _drain(self, points: P) -> Iterator[Sample]:
        """Deliver the last frames of the decoder and reset it."""
        yield from self._deliver(points, self._decoder.decode(None))
        self._decoder.flush_buffers()
        if self._expected:
            raise UnsureStructureError(f"the decoder did not give {len(self._expected)} expected frames")

    def _deliver(self, points: P, frames: Iterable[VideoFrame]) -> Iterator[Sample]:
        """The samples of decoded frames; frames without points are dropped."""
        for frame in frames:
            self._to_rgb.follow(frame)
            if not self._expected:
                continue
            number = frame.opaque
            if number is None:  # decoded as a reference alone
                continue
            coded, frame_points = self._expected[0]
            if number != coded.number:
                if any(number == later.number for later, _ in self._expected):
                    raise UnsureStructureError(f"packet {coded.number} did not give a frame")
                continue
            if frame.is_corrupt or frame.pts != coded.pts:
                raise UnsureStructureError(f"packet {coded.number} gave a damaged or misplaced frame")
            self._expected.popleft()
            image = self._to_rgb(frame)
            for index in frame_points:
                self._latest = Sample(index, points.seconds(index), coded.pts, image)
                yield self._latest


def _needs_previous_group(points: Points, following: Group) -> bool:
    """Whether decoding `following` needs the whole group before it."""
    if not following.is_random_access:
        return True
    head = following.frames[0]
    leading = [frame for frame in following.shown() if frame.pts <= head.pts]
    return any(
        earlier.picture.needs_previous and points.points(earlier.pts, later.pts) for earlier, later in pairwise(leading)
    )


def first_pts(opening: Group) -> int:
    """The timestamp of a video's first frame, given its first group."""
    shown = opening.shown()
    if not shown:
        raise UnsureStructureError("the first group shows no frame")
    return shown[0].pts


def check_origin(decoder: VideoCodecContext, opening: Group) -> None:
    """Check that the first frame decoded is the first by its timestamps, the origin of all points."""
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
        raise UnsureStructureError("the first frame decoded is not the first by the timestamps")
