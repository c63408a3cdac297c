"""Groups of pictures, the unit in which selective decoding plans.

In: packets of the video stream in decoding order. Out: each `Group`, from one random access picture up to the next,
together with the group after it as far as that was read: at least until no picture can follow that is shown before the
next random access picture. The display time of that picture ends the group.

Ambiguous timestamps or syntax raise `UnsureStructureError`; the caller then decodes every frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from av.packet import Packet
from av.video.stream import VideoStream

from extractors.video.bitstream.picture import Picture, PictureReader, UnsureStructureError
from extractors.video.bitstream.registry import reader_for
from extractors.video.frame_rate import nominal_duration
from extractors.video.media import Media
from extractors.video.packets import has_side_data

MAX_GROUP_PACKETS = 512
MAX_GROUP_BYTES = 32 << 20
MAX_GROUP_SECONDS = 600  # of audio, which is read with the pictures
MAX_PENDING_GROUPS = 64
NO_DTS = -(1 << 63)
# PyAV keys `opaque` by the identity of the object. Python shares one object for each small integer, so a packet of
# another decoder with the same small number would release it.
FIRST_NUMBER = 1 << 10


class CodedFrame(NamedTuple):
    """One packet with its presentation time. `number` is its position in reading order; `end_pts` is pts + duration."""

    number: int
    packet: Packet[VideoStream]
    pts: int
    end_pts: int
    picture: Picture
    shown: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Frames in decoding order. Without random access, the group continues the one before it.

    `left_out` has the timestamps of leading pictures that no decoder shows.
    """

    frames: list[CodedFrame]
    is_random_access: bool
    left_out: list[int] = field(default_factory=list)

    def shown(self) -> list[CodedFrame]:
        """The frames that reach the screen, in presentation order."""
        return sorted([frame for frame in self.frames if frame.shown], key=attrgetter("pts"))


def read_groups(media: Media, packets: Iterable[Packet[VideoStream]]) -> Iterator[tuple[Group, Group | None]]:
    """Each group of the video with the known part of the next group (None after the last).

    Leading pictures of the very first group that refer to an earlier one are left out: no decoder shows them. A group
    longer than 512 packets, 32 MiB or ten minutes is split, so that memory stays bounded.
    """
    if not media.has_presentation_times:
        raise UnsureStructureError("the container has no presentation times")
    context = media.video.codec_context
    read_picture = reader_for(context.codec.canonical_name, context.extradata)
    if read_picture is None:
        raise UnsureStructureError(f"no syntax reader for codec {context.codec.canonical_name}")
    nominal_ticks = nominal_duration(media)
    assert media.video.time_base is not None
    max_group_ticks = int(MAX_GROUP_SECONDS / media.video.time_base)
    pending: deque[Group] = deque()
    horizon = NO_DTS  # no later packet is shown before this
    latest_pts = NO_DTS
    group_bytes = 0
    is_opening = False
    for number, packet in enumerate((packet for packet in packets if packet.size), FIRST_NUMBER):
        frame = _coded_frame(number, packet, read_picture, nominal_ticks)
        if frame.pts < horizon or (packet.dts is not None and packet.dts < horizon):
            raise UnsureStructureError(f"timestamps run backwards at packet {number}")
        if packet.dts is not None:  # None in Matroska for the first packets after a seek
            horizon = packet.dts
        if frame.picture.needs_previous and len(pending) == 1 and is_opening:
            pending[0].left_out.append(frame.pts)
            continue
        group_bytes += packet.size
        if frame.picture.random_access:
            is_opening = latest_pts == NO_DTS
            pending.append(Group([frame], is_random_access=True))
            group_bytes = packet.size
        elif not pending:
            raise UnsureStructureError("the stream does not start with a random access picture")
        elif frame.pts > latest_pts and (
            len(pending[-1].frames) >= MAX_GROUP_PACKETS
            or group_bytes > MAX_GROUP_BYTES
            or frame.pts - pending[-1].frames[0].pts > max_group_ticks
        ):
            pending.append(Group([frame], is_random_access=False))
            group_bytes = packet.size
        else:
            pending[-1].frames.append(frame)
        latest_pts = max(latest_pts, frame.pts)
        while len(pending) > 1 and horizon >= pending[1].frames[0].pts:
            yield pending.popleft(), pending[0]
        if len(pending) > MAX_PENDING_GROUPS or (len(pending) > 1 and len(pending[1].frames) > MAX_GROUP_PACKETS):
            raise UnsureStructureError("decoding times do not bound the groups")
    while pending:
        yield pending.popleft(), pending[0] if pending else None


def _coded_frame(
    number: int, packet: Packet[VideoStream], read_picture: PictureReader, nominal_ticks: int
) -> CodedFrame:
    pts, dts = packet.pts, packet.dts
    if pts is None:
        raise UnsureStructureError(f"packet {number} has no timestamp")
    if dts is not None and pts < dts:
        raise UnsureStructureError(f"packet {number} is shown before it is decoded")
    if packet.is_corrupt or has_side_data(packet, "new_extradata"):
        raise UnsureStructureError(f"packet {number} is damaged or changes the decoder's configuration")
    picture = read_picture(bytes(packet))
    shown = picture.shown and not packet.is_discard
    return CodedFrame(number, packet, pts, pts + (packet.duration or nominal_ticks), picture, shown)
